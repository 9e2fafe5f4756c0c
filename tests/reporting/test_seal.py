"""The centre's seal: signed files are good for two independent programs, and every way of tampering is found."""

from __future__ import annotations

import asyncio
import io
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigFieldSpec
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from reportlab.pdfgen.canvas import Canvas

from exam.kit.errors import Refused
from reporting import seal_check
from reporting.demo_authority import DemoAuthority, make_demo_authority
from reporting.seal import Seal, verify
from reporting.seal_picture import seal_picture

CENTRE = "示范市第一人民医院健康管理中心"
NOW = datetime(2026, 11, 21, 2, 30, 5, tzinfo=UTC)
BOX = (380.0, 90.0, 500.0, 210.0)


def plain_pdf(page_count: int = 3, text: str = "report") -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file, invariant=1)
    for number in range(page_count):
        canvas.drawString(72, 760, f"{text} page {number + 1} " * 4)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def load(authority: DemoAuthority) -> Seal:
    return Seal.load(authority.signer_key_path, authority.signer_certificate_path, seal_picture(CENTRE, is_demo=True))


def sign(seal: Seal, pdf: bytes, **changes: object) -> bytes:
    arguments: dict = {"reason": "体检报告签发", "location": CENTRE, "signed_at": NOW, "seal_page": 1, "seal_box": BOX}
    return seal.sign(pdf, **(arguments | changes))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> DemoAuthority:
    return make_demo_authority(tmp_path_factory.mktemp("seal") / "demo", CENTRE, NOW)


@pytest.fixture(scope="module")
def seal(authority: DemoAuthority) -> Seal:
    return load(authority)


@pytest.fixture(scope="module")
def roots(authority: DemoAuthority) -> list[bytes]:
    return [authority.root_certificate_path.read_bytes()]


@pytest.fixture(scope="module")
def sealed(seal: Seal) -> bytes:
    return sign(seal, plain_pdf())


def is_digest_intact(pdf: bytes) -> bool:
    """What a naive check sees: the digest over the signed ranges, and nothing else."""
    signature = PdfFileReader(io.BytesIO(pdf), strict=False).embedded_signatures[0]
    return validate_pdf_signature(signature, ValidationContext(trust_roots=[], moment=NOW), skip_diff=True).intact


# --- a good seal ------------------------------------------------------------------------------------------------


def test_a_sealed_file_is_valid_trusted_whole_and_certified(sealed: bytes, seal: Seal, roots: list[bytes]) -> None:
    verdict = verify(sealed, roots, allowed_signers=[seal.fingerprint])
    assert verdict.problems == ()
    assert verdict.is_valid and verdict.is_trusted
    assert verdict.covers_whole_file and verdict.is_certified_no_changes
    assert verdict.signed_at == NOW
    assert verdict.signer_name == seal.signer_name and "演示 DEMO" in verdict.signer_name
    assert verdict.signer_fingerprint == seal.fingerprint


def test_the_original_bytes_stay_in_front_of_the_signature(sealed: bytes) -> None:
    assert sealed.startswith(plain_pdf())


def test_poppler_finds_the_signature_valid_and_the_certificate_trusted(
    sealed: bytes, authority: DemoAuthority, tmp_path: Path
) -> None:
    pdfsig, certutil = shutil.which("pdfsig"), shutil.which("certutil")
    if pdfsig is None or certutil is None:
        pytest.skip("poppler-utils and libnss3-tools are not installed")
    store = tmp_path / "nss"
    store.mkdir()
    subprocess.run([certutil, "-N", "-d", f"sql:{store}", "--empty-password"], check=True)
    root = str(authority.root_certificate_path)
    subprocess.run([certutil, "-A", "-d", f"sql:{store}", "-n", "root", "-t", "CT,C,C", "-i", root], check=True)

    def ask(pdf: bytes) -> str:
        file = tmp_path / "asked.pdf"
        file.write_bytes(pdf)
        # Poppler judges the certificate by the machine's clock, which runs inside the ten years of the demo.
        return subprocess.run([pdfsig, "-nssdir", str(store), str(file)], capture_output=True, text=True).stdout

    said = ask(sealed)
    assert "Signature is Valid." in said
    assert "Certificate is Trusted." in said
    assert "Total document signed" in said
    assert "Not total document signed" not in said
    assert "ETSI.CAdES.detached" in said
    changed = sealed.replace(b"/Count 3", b"/Count 2", 1)
    assert changed != sealed
    assert "Digest Mismatch" in ask(changed)


def test_the_seal_shows_on_its_page_and_keeps_its_shape(seal: Seal) -> None:
    pdf = sign(seal, plain_pdf(), seal_page=2, seal_box=(100, 100, 300, 200))
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    assert [len(page.get("/Annots", [])) for page in pages] == [0, 0, 1]
    rectangle = [float(edge) for edge in pages[2]["/Annots"][0].get_object()["/Rect"]]
    assert rectangle == [150, 100, 250, 200]
    appearance = pages[2]["/Annots"][0].get_object()["/AP"]["/N"].get_object()
    resources = appearance["/Resources"]["/XObject"]
    picture = next(iter(resources.values())).get_object()
    assert picture["/SMask"].get_object()["/Width"] == picture["/Width"] == 440


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="poppler-utils is not installed")
def test_a_drawn_page_has_red_where_the_seal_is_and_only_there(sealed: bytes, tmp_path: Path) -> None:
    file = tmp_path / "sealed.pdf"
    file.write_bytes(sealed)
    command = ["pdftoppm", "-r", "72", "-f", "2", "-l", "2", "-png", str(file), str(tmp_path / "page")]
    subprocess.run(command, check=True)
    page = Image.open(next(tmp_path.glob("page*.png"))).convert("RGB")
    red = {
        (x, page.height - y)
        for x in range(page.width)
        for y in range(page.height)
        if (lambda r, g, b: r > 150 and g < 110 and b < 110)(*page.getpixel((x, y)))
    }
    assert len(red) > 1500
    assert all(BOX[0] - 1 <= x <= BOX[2] + 1 and BOX[1] - 1 <= y <= BOX[3] + 1 for x, y in red)


def test_sealing_works_inside_a_running_event_loop(seal: Seal, roots: list[bytes]) -> None:
    async def inside() -> bool:
        return verify(sign(seal, plain_pdf(2)), roots).is_valid

    assert asyncio.run(inside())


def test_many_threads_seal_different_files_with_one_seal(seal: Seal, roots: list[bytes]) -> None:
    files = [plain_pdf(2, f"report {number}") for number in range(16)]
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda file: sign(seal, file), files))
    assert all(after.startswith(before) for before, after in zip(files, done, strict=True))
    assert all(verify(after, roots).is_valid for after in done)


def test_the_key_is_read_once_and_twenty_files_are_sealed_after_it_is_gone(tmp_path: Path) -> None:
    authority = make_demo_authority(tmp_path / "demo", CENTRE, NOW)
    root = authority.root_certificate_path.read_bytes()
    seal = load(authority)
    shutil.rmtree(authority.folder)
    done = [sign(seal, plain_pdf(2, f"report {number}")) for number in range(20)]
    assert all(verify(file, [root]).is_valid for file in done)


# --- tampering (AT-17) ------------------------------------------------------------------------------------------


def appended_by_hand(pdf: bytes) -> bytes:
    # Overwrites the content of page 1 in a further revision, as an editor does, without touching a signed byte.
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    stream = generic.StreamObject(stream_data=b"1 0 0 rg 60 740 400 60 re f")
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    page[generic.pdf_name("/Contents")] = writer.add_object(stream)
    writer.update_container(page)
    output = io.BytesIO()
    writer.write(output)
    return output.getvalue()


def appended_by_pypdf(pdf: bytes) -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(pdf), incremental=True)
    writer.pages[0].rotate(180)
    output = io.BytesIO()
    writer.write(output)
    return output.getvalue()


@pytest.mark.parametrize("append", [appended_by_hand, appended_by_pypdf])
def test_page_one_overwritten_in_a_later_revision_is_found_though_the_digest_is_intact(
    append: Callable[[bytes], bytes], sealed: bytes, roots: list[bytes]
) -> None:
    changed = append(sealed)
    assert changed.startswith(sealed) and len(changed) > len(sealed)
    assert is_digest_intact(changed)
    verdict = verify(changed, roots)
    assert not verdict.is_valid and not verdict.covers_whole_file
    assert seal_check.ADDED_LATER in verdict.problems


def test_harmless_looking_bytes_behind_the_end_are_found(sealed: bytes, roots: list[bytes]) -> None:
    for tail in (b"\n", b" ", b"%comment\n", b"\0" * 10, sealed):
        verdict = verify(sealed + tail, roots)
        assert not verdict.is_valid and verdict.problems, tail[:20]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_one_flipped_bit_anywhere_is_found(data: st.DataObject, sealed: bytes, roots: list[bytes]) -> None:
    place = data.draw(st.integers(0, len(sealed) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(sealed)
    changed[place] ^= 1 << bit
    verdict = verify(bytes(changed), roots)
    assert not verdict.is_valid and verdict.problems


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_one_flipped_bit_inside_the_signature_container_is_found(
    data: st.DataObject, sealed: bytes, roots: list[bytes]
) -> None:
    # The container's own bytes are not in the signed ranges: version, lengths, identifiers and padding must hold still.
    first = sealed.index(b"/Contents <") + len(b"/Contents <")
    last = sealed.index(b">", first)
    container = bytearray.fromhex(sealed[first:last].decode())
    place = data.draw(st.integers(0, len(container) - 1))
    container[place] ^= 1 << data.draw(st.integers(0, 7))
    changed = sealed[:first] + container.hex().upper().encode() + sealed[last:]
    assert not verify(changed, roots).is_valid


def test_the_signature_container_in_other_spelling_is_found(sealed: bytes, roots: list[bytes]) -> None:
    first = sealed.index(b"/Contents <") + len(b"/Contents <")
    last = sealed.index(b">", first)
    changed = sealed[:first] + sealed[first:last].lower() + sealed[last:]
    assert is_digest_intact(changed)
    assert not verify(changed, roots).is_valid


def test_a_stripped_signature_is_found(sealed: bytes, roots: list[bytes]) -> None:
    assert verify(plain_pdf(), roots).problems == (seal_check.NO_SEAL,)
    writer = pypdf.PdfWriter()
    for page in pypdf.PdfReader(io.BytesIO(sealed)).pages:
        writer.add_page(page)
    output = io.BytesIO()
    writer.write(output)
    assert not verify(output.getvalue(), roots).is_valid


def test_a_file_saved_again_by_another_program_is_found(sealed: bytes, roots: list[bytes]) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(sealed))
    output = io.BytesIO()
    writer.write(output)
    verdict = verify(output.getvalue(), roots)
    assert not verdict.is_valid and not verdict.covers_whole_file


def test_the_seal_of_another_authority_is_not_trusted(tmp_path: Path, roots: list[bytes]) -> None:
    # Same names, other keys: the root of the same centre's name does not help a forger.
    forger = load(make_demo_authority(tmp_path / "forger", CENTRE, NOW))
    verdict = verify(sign(forger, plain_pdf()), roots)
    assert verdict.covers_whole_file and verdict.is_certified_no_changes
    assert not verdict.is_trusted and not verdict.is_valid
    assert verdict.problems == (seal_check.NOT_TRUSTED,)


def test_another_subscriber_of_a_trusted_authority_is_not_the_centre(
    sealed: bytes, seal: Seal, tmp_path: Path, roots: list[bytes]
) -> None:
    other = make_demo_authority(tmp_path / "other", "别家体检中心", NOW)
    both = [*roots, other.root_certificate_path.read_bytes()]
    verdict = verify(sign(load(other), plain_pdf()), both, allowed_signers=[seal.fingerprint.upper()])
    assert verdict.is_trusted and not verdict.is_valid
    assert verdict.problems == (seal_check.OTHER_SIGNER,)
    assert verify(sealed, both, allowed_signers=[seal.fingerprint.upper()]).is_valid


def test_sealing_a_sealed_file_again_is_refused(sealed: bytes, seal: Seal) -> None:
    with pytest.raises(Refused) as refusal:
        sign(seal, sealed)
    assert refusal.value.code == "seal.already_signed"


def test_a_second_signature_forced_onto_a_certified_file_is_found(
    sealed: bytes, seal: Seal, roots: list[bytes]
) -> None:
    class Ruthless(PdfSigner):
        def _enforce_certification_constraints(self, reader: PdfFileReader) -> None:
            return

    writer = IncrementalPdfFileWriter(io.BytesIO(sealed))
    forced = Ruthless(
        PdfSignatureMetadata(field_name="Second", md_algorithm="sha256"),
        seal._signer,
        new_field_spec=SigFieldSpec("Second", on_page=0, box=(10, 10, 60, 60)),
    )
    twice = forced.sign_pdf(writer, bytes_reserved=8192).getvalue()
    verdict = verify(twice, roots)
    assert not verdict.is_valid
    assert {seal_check.SEVERAL_SEALS, seal_check.ADDED_LATER} <= set(verdict.problems)


def test_an_ordinary_signature_of_the_right_key_is_not_a_seal(seal: Seal, roots: list[bytes]) -> None:
    writer = IncrementalPdfFileWriter(io.BytesIO(plain_pdf()))
    signer = PdfSigner(PdfSignatureMetadata(field_name="Plain", md_algorithm="sha256"), seal._signer)
    verdict = verify(signer.sign_pdf(writer, bytes_reserved=8192).getvalue(), roots, moment=NOW)
    assert verdict.is_trusted and not verdict.is_certified_no_changes
    assert seal_check.NOT_CERTIFIED in verdict.problems


def test_an_old_version_is_a_valid_file_and_told_apart_by_its_digest(seal: Seal, roots: list[bytes]) -> None:
    old, new = (verify(sign(seal, plain_pdf(text=text)), roots) for text in ("first", "second"))
    assert old.is_valid and new.is_valid
    assert old.file_digest != new.file_digest


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", seal_check.NOT_A_PDF),
        (b"hello", seal_check.NOT_A_PDF),
        (b"\xff" * 5000, seal_check.NOT_A_PDF),
        (b"%PDF-1.7\n", seal_check.UNREADABLE),
        (b"%PDF-1.7\n" + b"[" * 200_000, seal_check.UNREADABLE),
        (b"%PDF-1.7\nstartxref\n99999999\n%%EOF", seal_check.UNREADABLE),
    ],
)
def test_garbage_is_invalid_with_a_reason_and_never_raises(content: bytes, problem: str, roots: list[bytes]) -> None:
    verdict = verify(content, roots)
    assert not verdict.is_valid and verdict.problems == (problem,)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_truncated_file_is_invalid_and_never_raises(data: st.DataObject, sealed: bytes, roots: list[bytes]) -> None:
    verdict = verify(sealed[: data.draw(st.integers(0, len(sealed) - 1))], roots)
    assert not verdict.is_valid and verdict.problems


def test_a_broken_trust_root_trusts_nobody(sealed: bytes) -> None:
    assert not verify(sealed, [b"not a certificate"]).is_valid
    verdict = verify(sealed, [])
    assert not verdict.is_valid and not verdict.is_trusted


# --- the certificate's time -------------------------------------------------------------------------------------


def test_an_expired_certificate_neither_signs_nor_verifies(
    sealed: bytes, seal: Seal, roots: list[bytes]
) -> None:
    late = NOW + timedelta(days=3700)
    assert seal.is_usable_at(NOW) and not seal.is_usable_at(late)
    for moment in (late, NOW - timedelta(days=1)):
        with pytest.raises(Refused) as refusal:
            sign(seal, plain_pdf(), signed_at=moment)
        assert refusal.value.code == "seal.certificate_not_valid"
    assert not verify(sealed, roots, moment=late).is_trusted


@pytest.mark.parametrize(
    ("pdf", "changes", "code"),
    [
        (b"not a pdf", {}, "seal.unreadable"),
        (plain_pdf()[:700], {}, "seal.unreadable"),
        (plain_pdf(), {"seal_page": 3}, "seal.page_missing"),
        (plain_pdf(), {"seal_page": -1}, "seal.page_missing"),
        (plain_pdf(), {"seal_box": (10, 10, 10, 60)}, "seal.box_empty"),
        (plain_pdf(), {"signed_at": NOW.replace(tzinfo=None)}, "seal.time_without_zone"),
    ],
)
def test_a_seal_that_cannot_be_set_is_refused_with_a_remedy(pdf: bytes, changes: dict, code: str, seal: Seal) -> None:
    with pytest.raises(Refused) as refusal:
        sign(seal, pdf, **changes)
    assert refusal.value.code == code and refusal.value.text and refusal.value.hint
