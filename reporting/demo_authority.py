"""A throw-away certificate authority for demonstrations: made once at set-up, plainly named 演示 / DEMO."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from exam.kit.durable import sync
from exam.kit.errors import Refused

KEY_BITS = 2048
COMMON_NAME_BYTES = 64
"""The longest common name, in bytes of UTF-8 (X.520 ub-common-name; counted in bytes by the strictest readers)."""
CLOCK_SKEW = timedelta(hours=1)
"""Certificates begin this much earlier, so that a reader whose clock is slow does not refuse a fresh one."""
DEMO_PREFIX = "演示 DEMO "


class DemoAuthority(msgspec.Struct, frozen=True):
    """Where the files of a demonstration authority lie; all are PEM and readable by their owner alone."""

    folder: Path
    root_key_path: Path
    root_certificate_path: Path
    signer_key_path: Path
    signer_certificate_path: Path

    def is_complete(self) -> bool:
        """Whether all four files are there."""
        return all(path.is_file() for path in self.paths())

    def paths(self) -> tuple[Path, ...]:
        """The four files."""
        return (self.root_key_path, self.root_certificate_path, self.signer_key_path, self.signer_certificate_path)


def demo_authority(folder: Path) -> DemoAuthority:
    """The places of the files in `folder`, whether or not they exist."""
    return DemoAuthority(
        folder,
        folder / "demo-root.key",
        folder / "demo-root.pem",
        folder / "demo-signer.key",
        folder / "demo-signer.pem",
    )


def make_demo_authority(folder: Path, centre_name: str, now: datetime, years: int = 10) -> DemoAuthority:
    """Makes a root and a signer for `centre_name`, valid `years` years from `now`, in a folder of their own.

    Does nothing when they are already there and never overwrites a file: all four appear at once by renaming a finished
    folder, so neither a crash nor a second process leaves half an authority behind. RSA-2048 because its signatures
    have one fixed length, are repeatable, and every PDF reader knows them.
    """
    places = demo_authority(folder)
    if places.is_complete():
        return places
    _refuse_occupied(folder)
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write_all(demo_authority(making), centre_name, now, years)
        sync(making)
        try:
            making.rename(folder)  # takes the place of nothing or of an empty folder, never of files
        except OSError:
            if not places.is_complete():  # otherwise another process was quicker: its authority holds
                _refuse_occupied(folder)
                raise
        sync(folder.parent)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return places


def _refuse_occupied(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(
            "seal.authority_folder_occupied",
            "演示签章目录中已有其他文件，或密钥证书不完整",
            "请换一个空目录，或核对后手工清理该目录再试",
        )


def _write_all(places: DemoAuthority, centre_name: str, now: datetime, years: int) -> None:
    begins = now.replace(microsecond=0) - CLOCK_SKEW
    ends = begins + timedelta(days=365 * years + years // 4 + 1)
    root_key = rsa.generate_private_key(65537, KEY_BITS)
    signer_key = rsa.generate_private_key(65537, KEY_BITS)
    root_name = _name("根证书（仅供演示）", centre_name)
    root = (
        _certificate(root_name, root_name, root_key.public_key(), begins, ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    signer = (
        _certificate(_name(centre_name, centre_name), root_name, signer_key.public_key(), begins, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(signer_key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    _write(places.root_key_path, _key_pem(root_key))
    _write(places.root_certificate_path, root.public_bytes(serialization.Encoding.PEM))
    _write(places.signer_key_path, _key_pem(signer_key))
    _write(places.signer_certificate_path, signer.public_bytes(serialization.Encoding.PEM))


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _name(role: str, centre_name: str) -> x509.Name:
    common_name = (DEMO_PREFIX + role).encode()[:COMMON_NAME_BYTES].decode(errors="ignore").strip()
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, centre_name[:64] or "演示机构"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "演示 DEMO 无法律效力"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=not signs_certificates,  # the bit older texts call nonRepudiation
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: rsa.RSAPrivateKey) -> bytes:
    # Unencrypted: the file's mode protects it, as it does every other key of the installation (decision 15).
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
