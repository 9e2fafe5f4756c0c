"""Keys: random, one file each with mode 600, in a folder of their own outside the data folder (decision 15)."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exam.kit.durable import sync
from exam.kit.errors import Refused
from exam.kit.random import Randomness

KEY_BYTES = 32
NONCE_BYTES = 12
NAMES = ("database", "fields", "index", "anchor", "tokens")


class Keys:
    """The keys of one installation, read once. `database` opens the embedded database, `fields` seals personal data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._keys: dict[str, bytes] = {}
        for name in NAMES:
            path = folder / f"{name}.key"
            if not path.exists():
                raise Refused("keys.missing", f"缺少密钥文件 {path.name}", "请从密钥备份中恢复,或先运行 exam migrate 初始化")
            mode = path.stat().st_mode & 0o777
            if mode & 0o077:
                raise Refused("keys.exposed", f"密钥文件 {path.name} 的权限过宽", "请执行 chmod 600 后重试")
            self._keys[name] = _read(path)

    @classmethod
    def make(cls, folder: Path, random: Randomness) -> Keys:
        """Makes whatever keys are missing and reads them all. An existing key is never replaced."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in NAMES:
            path = folder / f"{name}.key"
            if not path.exists():
                _make(path, random)
        return cls(folder)

    def __getitem__(self, name: str) -> bytes:
        return self._keys[name]


def _make(path: Path, random: Randomness) -> None:
    """A key file appears whole or not at all: half a key after a power cut would be taken for a damaged one."""
    spare = path.with_suffix(".partial")
    spare.unlink(missing_ok=True)
    handle = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(random.token_bytes(KEY_BYTES).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(spare)  # unlike a renaming, this refuses to replace a key
    except FileExistsError:
        raise
    except OSError as error:
        raise Refused(
            "keys.no_links", f"密钥目录所在的文件系统不支持安全写入({error.strerror})", "请把密钥目录放在本机磁盘上(ext4、xfs 等)"
        ) from error
    finally:
        spare.unlink()
    sync(path.parent)


def _read(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text().strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise Refused("keys.damaged", f"密钥文件 {path.name} 已损坏", "请从密钥备份中恢复该文件,不要重新生成")
    return key


class FieldCipher:
    """Seals single fields with AES-256-GCM, bound to their place, and gives keyed blind indexes for searching.

    The place (`table.column:row id`) is authenticated, so a sealed value copied to another row does not open.
    """

    VERSION = b"\x01"

    def __init__(self, keys: Keys, random: Randomness) -> None:
        self._cipher = AESGCM(keys["fields"])
        self._index_key = keys["index"]
        self._random = random

    def seal(self, text: str, place: str) -> bytes:
        """The sealed form of `text` for `place`; an empty text stays empty."""
        if not text:
            return b""
        nonce = self._random.token_bytes(NONCE_BYTES)
        return self.VERSION + nonce + self._cipher.encrypt(nonce, text.encode(), place.encode())

    def open(self, sealed: bytes, place: str) -> str:
        """The text again. Refuses a value that was changed or moved."""
        if not sealed:
            return ""
        try:
            nonce = sealed[1 : 1 + NONCE_BYTES]
            return self._cipher.decrypt(nonce, sealed[1 + NONCE_BYTES :], place.encode()).decode()
        except (InvalidTag, ValueError):
            raise Refused("keys.cannot_open", "加密字段无法解密", "数据可能被篡改或密钥不匹配,请联系系统管理员") from None

    def blind_index(self, kind: str, normalised: str) -> bytes:
        """128 bits of HMAC-SHA-256 over a normalised value: equal values have equal indexes, nothing else leaks."""
        if not normalised:
            return b""
        return hmac.new(self._index_key, f"{kind}:{normalised}".encode(), hashlib.sha256).digest()[:16]
