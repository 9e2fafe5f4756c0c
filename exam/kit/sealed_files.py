"""Stores of sealed files: one write-once file for each content, named by its SHA-256 and encrypted at rest.

The name is the digest of the content itself, so a file can be checked with nothing but its name and the key. What is on disk is
sealed with AES-256-GCM, for a patient's file in the open beside an encrypted database would make that encryption pointless.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
from pathlib import Path
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exam.kit.durable import sync
from exam.kit.errors import Refused
from exam.kit.house import House

log = logging.getLogger("exam.kit.sealed_files")

NONCE_BYTES = 12
MAGIC = b"\x01"
_DIGEST = re.compile("[0-9a-f]{64}")

FOLDERS = ("reports", "attachments")
"""The folders of sealed files below the data folder: what the copies hold beside the database."""


class SealedFiles:
    """Files below one folder of the data, two levels deep by the first four hex digits.

    A room says which folder (one of `FOLDERS`, or it is not backed up), what its files end in, the place that a content is bound
    to, the room of its refusals and what a file is called in them.
    """

    NAME: ClassVar[str]
    SUFFIX: ClassVar[str]
    PLACE: ClassVar[str]
    ROOM: ClassVar[str]
    TITLE: ClassVar[str]

    def __init__(self, house: House) -> None:
        self.folder = house.data / self.NAME
        self._cipher = AESGCM(house.keys["fields"])
        self._random = house.random

    def path_of(self, digest: str) -> Path:
        """Where the content of this digest lies. Only a digest is ever part of a path."""
        if not _DIGEST.fullmatch(digest):
            raise ValueError("a stored file is named by its SHA-256 in hex")
        return self.folder / digest[:2] / digest[2:4] / f"{digest}{self.SUFFIX}"

    def put(self, content: bytes) -> str:
        """Stores the content and returns its digest; it is durable before this returns, so a row may name it.

        Content that is there already stays as it is, unless what lies there is damaged: then it is written anew.
        """
        digest = hashlib.sha256(content).hexdigest()
        path = self.path_of(digest)
        if path.exists() and self.problem_of(digest) is None:
            return digest
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        nonce = self._random.token_bytes(NONCE_BYTES)
        sealed = MAGIC + nonce + self._cipher.encrypt(nonce, content, self._place(digest))
        making = path.with_name(f".{digest}.{os.getpid()}.{nonce.hex()[:8]}.tmp")
        try:
            handle = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            making.replace(path)
        finally:
            making.unlink(missing_ok=True)
        for folder in (path.parent, path.parent.parent, self.folder, self.folder.parent):
            sync(folder)
        return digest

    def get(self, digest: str) -> bytes:
        """The content again, checked against its digest. Refuses, and raises the alarm, when the file is gone or damaged."""
        path = self.path_of(digest)
        try:
            sealed = path.read_bytes()
        except FileNotFoundError:
            log.critical("a stored file of %s is missing: %s", self.NAME, digest[:16])
            raise Refused(f"{self.ROOM}.file_missing", f"{self.TITLE}缺失,已停止提供", "请联系系统管理员从备份恢复该文件") from None
        content = b""
        with contextlib.suppress(InvalidTag, ValueError):
            content = self._cipher.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], self._place(digest))
        if sealed[:1] != MAGIC or hashlib.sha256(content).hexdigest() != digest:
            log.critical("a stored file of %s is damaged: %s is not what was sealed", self.NAME, digest[:16])
            raise Refused(f"{self.ROOM}.damaged", f"{self.TITLE}已损坏或被改动,已停止提供", "请联系系统管理员从备份恢复该文件")
        return content

    def problem_of(self, digest: str) -> str | None:
        """What is wrong with a stored file, or None."""
        try:
            self.get(digest)
        except Refused as refused:
            return refused.text
        return None

    def _place(self, digest: str) -> bytes:
        return f"{self.PLACE}:{digest}".encode()
