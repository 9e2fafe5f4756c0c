"""Checks the centre's seal on a file: the mathematics, the trust, and that nothing was added or replaced."""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import re
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import msgspec
from asn1crypto import algos, cms, pem, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.validation.pdf_embedded import (
    EmbeddedPdfSignature,
    async_validate_pdf_signature,
    read_certification_data,
)
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

for _library in ("pyhanko", "pyhanko_certvalidator"):
    logging.getLogger(_library).setLevel(logging.CRITICAL + 1)  # the verdict says what is wrong; traces of hostile files say nothing

MAX_BYTES = 64 * 1024 * 1024
"""A report has one or two megabytes; anything past this is not read at all."""

NOT_A_PDF = "文件不是 PDF，或者为空"
TOO_LARGE = "文件过大，不是本系统签发的报告"
UNREADABLE = "文件已损坏或不完整，无法读取"
NO_SEAL = "文件中没有电子签章"
NO_ROOT = "缺少签章的根证书，无法核对签章"
SEVERAL_SEALS = "文件中的签章不止一个，正式报告只有体检机构的一个签章"
CONTENT_CHANGED = "签章后文件内容被改动"
SIGNATURE_WRONG = "签章的密码校验不通过"
ADDED_LATER = "签章后文件又被追加或修改了内容"
NOT_CERTIFIED = "签章没有声明“禁止任何修改”，不是正式报告的签章"
NOT_TRUSTED = "签章证书不是由本机构信任的签发者颁发，或签章时不在有效期内"
OTHER_SIGNER = "签章人不是本机构"
UNUSUAL_FORM = "签章的结构与本系统签发的不一致"
NO_TIME = "签章中没有可读的签章时间"


class SealVerdict(msgspec.Struct, frozen=True):
    """What a file's seal is worth. `is_valid` is the answer: true only if every other question came out well.

    `file_digest` is the SHA-256 of the whole file in hex, to be compared with the digest stored at issue: only that
    comparison can tell an old, replaced version from the current one (AT-17).
    """

    is_valid: bool
    is_trusted: bool
    covers_whole_file: bool
    is_certified_no_changes: bool
    signer_name: str
    signer_fingerprint: str
    signed_at: datetime | None
    file_digest: str
    problems: tuple[str, ...]


def verify(
    pdf: bytes,
    trust_roots: Sequence[bytes],
    *,
    moment: datetime | None = None,
    allowed_signers: Sequence[str] | None = None,
) -> SealVerdict:
    """What the seal on `pdf` is worth. Never raises: what cannot be read is invalid and says why.

    `trust_roots` are certificates in PEM or DER. The certificate must be valid at `moment`, by default the time of
    signing the file itself states: without a timestamp nobody else vouches for that time, so compare `file_digest` too.
    `allowed_signers` are SHA-256 fingerprints in hex; needed where the root is a public authority that has other
    subscribers, for any of them could make a formally perfect seal.
    """
    digest = hashlib.sha256(pdf).hexdigest()
    if len(pdf) > MAX_BYTES:
        return _hopeless(digest, TOO_LARGE)
    if b"%PDF-" not in pdf[:1024]:
        return _hopeless(digest, NOT_A_PDF)
    if not trust_roots:
        return _hopeless(digest, NO_ROOT)
    try:
        return _verdict(pdf, digest, trust_roots, moment, allowed_signers)
    except Exception:  # hostile files make a parser fail in any way it likes; every one of them means "invalid"
        return _hopeless(digest, UNREADABLE)


def to_certificate(content: bytes) -> x509.Certificate:
    """One certificate from PEM or DER."""
    if pem.detect(content):
        content = pem.unarmor(content)[2]
    certificate = x509.Certificate.load(content)
    _ = certificate.serial_number  # parsing is lazy: fail here, not at the first use
    return certificate


def run_at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Finishes a coroutine of the library; with the key in memory and nothing fetched it waits for nothing outside.

    Handlers run in threads without an event loop. A caller inside a loop gets a thread, since loops do not nest.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _hopeless(digest: str, problem: str) -> SealVerdict:
    return SealVerdict(False, False, False, False, "", "", None, digest, (problem,))


def _verdict(
    pdf: bytes,
    digest: str,
    trust_roots: Sequence[bytes],
    moment: datetime | None,
    allowed_signers: Sequence[str] | None,
) -> SealVerdict:
    reader = PdfFileReader(io.BytesIO(pdf))
    seals = reader.embedded_signatures
    if not seals:
        return _hopeless(digest, NO_SEAL)
    problems = [SEVERAL_SEALS] if len(seals) > 1 else []
    seal = seals[0]
    signed_at = _stated_time(seal)
    if signed_at is None:
        problems.append(NO_TIME)
    context = ValidationContext(
        trust_roots=[to_certificate(root) for root in trust_roots],
        other_certs=seal.other_embedded_certs,
        allow_fetching=False,
        moment=moment or signed_at or seal.signer_cert.not_valid_before,
    )
    status = run_at_once(
        async_validate_pdf_signature(
            seal,
            signer_validation_context=context,
            key_usage_settings=KeyUsageConstraints(key_usage={"non_repudiation"}),
        )
    )
    covers_whole_file = status.coverage == SignatureCoverageLevel.ENTIRE_FILE and _is_gap_filled(seal, pdf)
    is_certified = _is_certified(reader, seal)
    fingerprint = seal.signer_cert.sha256.hex()
    checks = (
        (bool(status.intact), CONTENT_CHANGED),
        (bool(status.valid) or not status.intact, SIGNATURE_WRONG),
        (covers_whole_file and bool(status.docmdp_ok), ADDED_LATER),
        (is_certified, NOT_CERTIFIED),
        (bool(status.trusted), NOT_TRUSTED),
        (allowed_signers is None or fingerprint in {each.lower() for each in allowed_signers}, OTHER_SIGNER),
        (_is_plain(seal) and bool(status.seed_value_ok), UNUSUAL_FORM),
    )
    problems += [text for is_good, text in checks if not is_good]
    if not problems and not status.bottom_line:
        problems.append(SIGNATURE_WRONG)
    return SealVerdict(
        is_valid=not problems,
        is_trusted=bool(status.trusted),
        covers_whole_file=covers_whole_file,
        is_certified_no_changes=is_certified,
        signer_name=str(seal.signer_cert.subject.native.get("common_name", "")),
        signer_fingerprint=fingerprint,
        signed_at=signed_at,
        file_digest=digest,
        problems=tuple(problems),
    )


def _stated_time(seal: EmbeddedPdfSignature) -> datetime | None:
    stated = seal.self_reported_timestamp
    return stated if stated is not None and stated.tzinfo is not None else None


def _is_certified(reader: PdfFileReader, seal: EmbeddedPdfSignature) -> bool:
    # Both places must agree: the catalogue names the certifying signature, and that signature forbids every change.
    certification = read_certification_data(reader)
    return (
        certification is not None
        and certification.permission == MDPPerm.NO_CHANGES
        and seal.docmdp_level == MDPPerm.NO_CHANGES
        and certification.author_sig == seal.sig_object
    )


def _is_gap_filled(seal: EmbeddedPdfSignature, pdf: bytes) -> bool:
    # The bytes that are not signed hold the signature and nothing else, written the one way we write it.
    start, before, after, rest = (int(each) for each in seal.byte_range)
    gap = pdf[before:after]
    return (
        start == 0
        and after + rest == len(pdf)
        and re.fullmatch(rb"<(?:[0-9A-F]{2})+>", gap) is not None
        and bytes.fromhex(gap[1:-1].decode()) == seal.pkcs7_content
    )


def _is_plain(seal: EmbeddedPdfSignature) -> bool:
    # A signature container has corners its own signature does not cover: versions, the signer's identifier, unsigned
    # attributes, lengths, padding. Built anew from the parts that are covered, it must come out as it is in the file.
    signed_data, signer, certificate = seal.signed_data, seal.signer_info, seal.signer_cert
    others = seal.other_embedded_certs
    issuer_and_serial = {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
    digest_algorithm = algos.DigestAlgorithm({"algorithm": seal.md_algorithm})
    expected = cms.ContentInfo(
        {
            "content_type": "signed_data",
            "content": cms.SignedData(
                {
                    "version": "v1",
                    "digest_algorithms": cms.DigestAlgorithms((digest_algorithm,)),
                    "encap_content_info": {"content_type": "data"},
                    "certificates": [
                        cms.CertificateChoices(name="certificate", value=each) for each in (certificate, *others)
                    ],
                    "signer_infos": [
                        cms.SignerInfo(
                            {
                                "version": "v1",
                                "sid": cms.SignerIdentifier({"issuer_and_serial_number": issuer_and_serial}),
                                "digest_algorithm": digest_algorithm,
                                "signature_algorithm": signer["signature_algorithm"],
                                "signed_attrs": signer["signed_attrs"],
                                "signature": signer["signature"],
                            }
                        )
                    ],
                }
            ),
        }
    ).dump()
    return (
        seal.sig_object.get("/SubFilter") == SigSeedSubFilter.PADES.value
        and len(signed_data["signer_infos"]) == 1
        and seal.pkcs7_content.startswith(expected)
        and not seal.pkcs7_content[len(expected) :].strip(b"\0")
    )
