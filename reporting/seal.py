"""The centre's electronic seal: one certifying PAdES signature with a visible picture, and the check of one."""

from __future__ import annotations

import contextlib
import io
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from asn1crypto import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from PIL import Image
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.content import PdfContent, ResourceType
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import AxisAlignment, BoxConstraints, Margins, SimpleBoxLayoutRule
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers.pdf_cms import Signer
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner, PdfSigningSession
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator.registry import SimpleCertificateStore

from exam.kit.errors import Refused
from reporting.seal_check import SealVerdict, run_at_once, to_certificate, verify

__all__ = ["Seal", "SealVerdict", "verify"]

FIELD_NAME = "CentreSeal"
DIGEST = "sha256"
CMS_ROOM = 2048
"""Bytes kept for everything in the signature container but the certificates; measured need is about 900."""


class Seal:
    """A private key with its certificate and picture, read once and kept; safe to use from many threads at a time."""

    def __init__(self, key_pem: bytes, certificate_pem: bytes, picture: bytes, chain_pem: Sequence[bytes] = ()) -> None:
        """Reads everything. `picture` is a PNG whose transparency is the ground; `chain_pem` holds the certificates
        between the signer and the root, without the root."""
        key = serialization.load_pem_private_key(key_pem, password=None)
        if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
            raise Refused("seal.key_unknown", "签章私钥的类型不受支持", "请使用 RSA 或 ECDSA 密钥", "key")
        self.certificate = to_certificate(certificate_pem)
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        if public != self.certificate.public_key.dump():
            raise Refused("seal.key_mismatch", "签章私钥与证书不配对", "请核对私钥文件和证书文件", "key")
        self.fingerprint = self.certificate.sha256.hex()
        self._signer = _KeptKeySigner(key, self.certificate, [to_certificate(each) for each in chain_pem])
        self._picture = _prepared(picture)

    @classmethod
    def load(cls, key_path: Path, certificate_path: Path, picture: bytes, chain_paths: Sequence[Path] = ()) -> Seal:
        """Reads the files once; none of them is opened again. Refuses a key that others on the machine can read."""
        for path in (key_path, certificate_path, *chain_paths):
            if not path.is_file():
                raise Refused("seal.file_missing", f"缺少签章文件 {path.name}", "请先配置签章证书，或生成演示签章")
        if key_path.stat().st_mode & 0o077:
            raise Refused("seal.key_exposed", f"签章私钥 {key_path.name} 的权限过宽", "请执行 chmod 600 后重试", "key")
        chain = [path.read_bytes() for path in chain_paths]
        return cls(key_path.read_bytes(), certificate_path.read_bytes(), picture, chain)

    @property
    def signer_name(self) -> str:
        """The common name in the certificate."""
        return str(self.certificate.subject.native.get("common_name", ""))

    def is_usable_at(self, moment: datetime) -> bool:
        """Whether the certificate is valid at `moment` (S6: the certificate was valid when it was used)."""
        return bool(self.certificate.not_valid_before <= moment <= self.certificate.not_valid_after)

    def sign(
        self,
        pdf: bytes,
        *,
        reason: str,
        location: str,
        signed_at: datetime,
        seal_page: int,
        seal_box: tuple[float, float, float, float],
    ) -> bytes:
        """The sealed file: `pdf` unchanged, then one certifying signature (PAdES B-B) that allows no change at all.

        `seal_page` counts from 0, `seal_box` is left, bottom, right, top in PDF points; the seal keeps its shape in the
        middle of it. `signed_at` needs a time zone. Refuses a file that carries a signature already.
        """
        self._refuse_unusable(signed_at)
        box = _square(seal_box)
        with _refusing_unreadable():
            writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
            page_count = int(writer.prev.root["/Pages"]["/Count"])
            signature_count = len(writer.prev.embedded_signatures)
            is_encrypted = writer.prev.encrypted
        if signature_count:
            raise Refused("seal.already_signed", "该文件已有电子签章，不能重复签章", "请重新生成报告后再签章", "pdf")
        if is_encrypted:
            raise Refused("seal.encrypted", "该文件已加密，不能签章", "请提供未加密的 PDF 文件", "pdf")
        if not 0 <= seal_page < page_count:
            raise Refused("seal.page_missing", f"签章页码超出范围，文件共 {page_count} 页", "请核对签章位置", "seal_page")
        metadata = PdfSignatureMetadata(
            field_name=FIELD_NAME,
            md_algorithm=DIGEST,
            reason=reason,
            location=location,
            name=self.signer_name,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
            subfilter=SigSeedSubFilter.PADES,
        )
        signer = _DatedSigner(
            metadata,
            self._signer,
            stamp_style=StaticStampStyle(
                border_width=0,
                background=_SealArt(self._picture),
                background_opacity=1.0,
                background_layout=SimpleBoxLayoutRule(
                    x_align=AxisAlignment.ALIGN_MID, y_align=AxisAlignment.ALIGN_MID, margins=Margins.uniform(0)
                ),
            ),
            new_field_spec=SigFieldSpec(sig_field_name=FIELD_NAME, on_page=seal_page, box=box),
        )
        signer.signed_at = signed_at
        output = io.BytesIO()
        run_at_once(signer.async_sign_pdf(writer, output=output, bytes_reserved=self._signer.container_room))
        return output.getvalue()

    def _refuse_unusable(self, signed_at: datetime) -> None:
        if signed_at.tzinfo is None:
            raise Refused("seal.time_without_zone", "签章时间缺少时区", "请使用系统时钟给出的时间", "signed_at")
        if not self.is_usable_at(signed_at):
            raise Refused(
                "seal.certificate_not_valid", "签章证书不在有效期内", "请更换有效的签章证书后再签发报告", "signed_at"
            )


@contextlib.contextmanager
def _refusing_unreadable() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever the parser stumbles over, the file is the reason
        raise Refused("seal.unreadable", "文件不是完整的 PDF，不能签章", "请重新生成报告后再签章", "pdf") from error


def _square(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, bottom, right, top = box
    side = min(right - left, top - bottom)
    if side <= 0:
        raise Refused("seal.box_empty", "签章位置的宽或高为零", "请核对签章位置", "seal_box")
    middle_x, middle_y = (left + right) / 2, (bottom + top) / 2
    return middle_x - side / 2, middle_y - side / 2, middle_x + side / 2, middle_y + side / 2


class _DatedSigner(PdfSigner):  # type: ignore[misc]
    """Signs with the moment it was given: the library would ask the machine's clock."""

    signed_at: datetime

    def init_signing_session(
        self, pdf_out: IncrementalPdfFileWriter, existing_fields_only: bool = False
    ) -> PdfSigningSession:
        session = super().init_signing_session(pdf_out, existing_fields_only=existing_fields_only)
        session.system_time = self.signed_at
        return session


class _KeptKeySigner(Signer):  # type: ignore[misc]
    """Keeps the loaded key: the library's own signer loads and validates it at every signature (39 of 52 ms)."""

    def __init__(
        self, key: RSAPrivateKey | EllipticCurvePrivateKey, certificate: x509.Certificate, chain: list[x509.Certificate]
    ) -> None:
        super().__init__(
            signing_cert=certificate, cert_registry=SimpleCertificateStore.from_certs(chain), embed_roots=False
        )
        self._key = key
        self.container_room = 2 * (CMS_ROOM + sum(len(each.dump()) for each in (certificate, *chain)))

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(data, PKCS1v15(), hashes.SHA256())
        return self._key.sign(data, ECDSA(hashes.SHA256()))


class _SealPicture(msgspec.Struct, frozen=True):
    """The picture as PDF wants it, compressed once for all signatures: its colours, and a mask for what shows of it."""

    width: int
    height: int
    is_one_colour: bool
    colour: bytes
    colours: bytes
    mask: bytes


def _prepared(picture: bytes) -> _SealPicture:
    image = Image.open(io.BytesIO(picture)).convert("RGBA")
    solid = image.convert("RGB")
    palette = solid.getcolors(1)
    # A seal of one red needs one bit a pixel and a palette of one; a scanned seal keeps its colours.
    plain = bytes((image.width + 7) // 8 * image.height) if palette else solid.tobytes()
    return _SealPicture(
        image.width,
        image.height,
        bool(palette),
        solid.crop((0, 0, 1, 1)).tobytes(),
        zlib.compress(plain, 9),
        zlib.compress(image.getchannel("A").tobytes(), 9),
    )


class _SealArt(PdfContent):  # type: ignore[misc]
    """Draws the prepared picture as the appearance of one signature field."""

    def __init__(self, picture: _SealPicture) -> None:
        super().__init__(box=BoxConstraints(picture.width, picture.height))
        self._picture = picture

    def render(self) -> bytes:
        picture, writer = self._picture, self._ensure_writer
        name = generic.pdf_name
        mask = writer.add_object(self._image(name("/DeviceGray"), 8, picture.mask))
        space = name("/DeviceRGB")
        if picture.is_one_colour:
            entry = generic.ByteStringObject(picture.colour)
            space = generic.ArrayObject([name("/Indexed"), name("/DeviceRGB"), generic.NumberObject(0), entry])
        image = self._image(space, 1 if picture.is_one_colour else 8, picture.colours)
        image[name("/SMask")] = mask
        self.set_resource(ResourceType.XOBJECT, name("/Seal"), writer.add_object(image))
        return b"q %d 0 0 %d 0 0 cm /Seal Do Q" % (picture.width, picture.height)

    def _image(self, space: generic.PdfObject, bits: int, packed: bytes) -> generic.StreamObject:
        name = generic.pdf_name
        entries = {
            name("/Type"): name("/XObject"),
            name("/Subtype"): name("/Image"),
            name("/Width"): generic.NumberObject(self._picture.width),
            name("/Height"): generic.NumberObject(self._picture.height),
            name("/ColorSpace"): space,
            name("/BitsPerComponent"): generic.NumberObject(bits),
            name("/Filter"): name("/FlateDecode"),
        }
        return generic.StreamObject(entries, encoded_data=packed)
