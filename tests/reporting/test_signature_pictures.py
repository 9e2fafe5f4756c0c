"""The doctors' signature pictures on the report: the one in force at the signature, for ever; on both databases."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from io import BytesIO
from uuid import UUID

import msgspec
import pytest
from pypdf import PdfReader
from sqlalchemy import select

from chief_review import service as reviews
from exam.kit.house import House, system_actor
from exam.staff import ink, signatures
from exam.staff.models import Staff
from exam.visits import service as visits
from reporting import rules, sealing, service
from reporting.composing import compose
from reporting.document import Document, Signature, digest, signatures_of
from reporting.seal_picture import signature_picture
from tests.chief_review.cases import breaches, finalized, signer
from tests.conftest import Desk, actor_named
from tests.reporting.cases import DRAWN_AT, a_report
from tests.staff.handwriting import png, written

HAND, OTHER_HAND = (ink.normalised(png(written(phase=phase))) for phase in (0.0, 1.0))


def staff_id(house: House, login: str) -> UUID:
    with house.unit(None, write=False) as db:
        return db.scalars(select(Staff.id).where(Staff.login == login)).one()


def put(house: House, login: str, picture: ink.Picture = HAND) -> UUID:
    with house.unit(actor_named(house, "system")) as db:
        return signatures.put(db, staff_id(house, login), picture)


def issue(house: House, visit_id: UUID) -> int:
    with house.unit(actor_named(house, "zhao")) as db:
        return service.issue(db, visit_id).number


def issued(house: House, visit_id: UUID, number: int = 1) -> tuple[Document, str, str]:
    """What was stored of a version, the digest of what was drawn, and that of the same drawn now."""
    with house.unit(actor_named(house, "zhao"), write=False) as db:
        document = service.stored_document(db, visit_id, number)
        version = next(each for each in service.versions(db, visit_id) if each.number == number)
        again = sealing.drawn(db, document, version.signed_at)
    return document, version.drawn_sha256, hashlib.sha256(again.pdf).hexdigest()


def alphas(house: House, visit_id: UUID, number: int = 1) -> list[bytes]:
    """The transparency of every picture in the issued file but the seal's, which is square."""
    with house.unit(actor_named(house, "zhao"), write=False) as db:
        pdf = service.pdf(db, visit_id, number).content
    images = [image for page in PdfReader(BytesIO(pdf)).pages for image in page.images]
    return [image.image.getchannel("A").tobytes() for image in images if image.image and image.image.mode == "RGBA"]


def test_the_picture_in_force_at_the_signature_is_on_the_report_whatever_is_put_later(house: House) -> None:
    first, final = put(house, "he"), put(house, "liang", OTHER_HAND)
    visit_id = finalized(house)
    put(house, "liang")
    with house.unit(actor_named(house, "system")) as db:
        signatures.withdraw(db, staff_id(house, "he"), "重新书写")
    assert issue(house, visit_id) == 1
    document, drawn, again = issued(house, visit_id)
    assert [each.picture_id for each in signatures_of(document)] == [
        f"{staff_id(house, 'he').hex}.{first.hex}", f"{staff_id(house, 'liang').hex}.{final.hex}",
    ]  # fmt: skip
    with house.unit(actor_named(house, "zhao"), write=False) as db:
        assert set(sealing.pictures_of(db, document).values()) == {HAND.content, OTHER_HAND.content}
    assert again == drawn
    assert len(alphas(house, visit_id)) == 2, "both hands are in the sealed file"
    put(house, "he", OTHER_HAND)
    assert issued(house, visit_id) == (document, drawn, drawn)
    assert breaches(house) == []


def test_a_signature_given_again_carries_the_picture_of_that_moment(house: House) -> None:
    put(house, "liang")
    visit_id = finalized(house)
    second = put(house, "liang", OTHER_HAND)
    with house.unit(signer(house, "liang")) as db:
        reviews.undo_final(db, visit_id, "结论遗漏")
    with house.unit(signer(house, "liang")) as db:
        after = reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)
    assert [each.picture_id for each in after.signatures] == [None, second]
    issue(house, visit_id)
    assert signatures_of(issued(house, visit_id)[0])[1].put_picture == second.hex
    assert breaches(house) == []


def test_without_a_picture_the_printed_name_stands_alone(house: House) -> None:
    visit_id = finalized(house)
    put(house, "he")
    put(house, "liang")
    issue(house, visit_id)
    document, drawn, again = issued(house, visit_id)
    assert [each.picture_id.partition(".")[2] for each in signatures_of(document)] == ["name", "name"]
    assert alphas(house, visit_id) == [] and drawn == again, "nobody had written anything when it was signed"
    assert breaches(house) == []


def test_only_a_demonstration_draws_a_hand_that_nobody_wrote(house: House) -> None:
    house.settings = msgspec.structs.replace(house.settings, demo=True)
    put(house, "liang")
    visit_id = finalized(house)
    issue(house, visit_id)
    he, liang = signatures_of(issued(house, visit_id)[0])
    assert he.is_name_drawn and he.picture_id == staff_id(house, "he").hex
    assert not liang.is_name_drawn and liang.put_picture
    assert breaches(house) == []


def test_a_report_of_before_pictures_could_be_put_still_draws_the_same_bytes(house: House) -> None:
    he, liang = staff_id(house, "he"), staff_id(house, "liang")
    people = (
        Signature("主检医师", "何志远", "主治医师", DRAWN_AT, he.hex), Signature("终审医师", "梁国栋", "主任医师", DRAWN_AT, liang.hex),
    )  # fmt: skip
    document = compose(a_report(signatures=people))
    put(house, "he")
    with house.unit(actor_named(house, "zhao"), write=False) as db:
        pictures = sealing.pictures_of(db, document)
        assert pictures == {he.hex: signature_picture("何志远"), liang.hex: signature_picture("梁国栋")}
        assert sealing.drawn(db, document, DRAWN_AT) == sealing.drawn(db, document, DRAWN_AT)
    assert digest(msgspec.json.decode(msgspec.json.encode(document), type=Document)) == digest(document)


@pytest.mark.parametrize(
    ("written_as", "signer_of", "picture", "is_drawn"),
    [("a1", "a1", "", True), ("a1.name", "a1", "", False), ("a1.b2", "a1", "b2", False), ("", "", "", False)],
)
def test_a_picture_id_says_who_signed_and_with_what(written_as: str, signer_of: str, picture: str, is_drawn: bool) -> None:
    signature = Signature("主检医师", "何志远", picture_id=written_as)
    assert (signature.signer, signature.put_picture, signature.is_name_drawn) == (signer_of, picture, is_drawn)


def test_the_check_finds_a_picture_of_another_doctor_and_one_doctor_in_two_hands(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_he, also_of_he = put(house, "he"), put(house, "he", OTHER_HAND)
    he, liang, visit_id = staff_id(house, "he"), staff_id(house, "liang"), finalized(house)
    wrong = {"first": f"{he.hex}.{of_he.hex}", "final": f"{liang.hex}.{also_of_he.hex}"}
    monkeypatch.setattr(rules, "_picture_id", lambda signature, is_demo: wrong[signature.level])
    issue(house, visit_id)
    found = [text for _, texts in breaches(house) for text in texts]
    assert len(found) == 1 and "终审医师 carries a picture that was not put for that doctor" in found[0]
    with house.unit(actor_named(house, "zhao")) as db:
        service.recall(db, visit_id, "签名图片不对")
    wrong["final"] = f"{he.hex}.{also_of_he.hex}"
    issue(house, visit_id)
    found = [text for _, texts in breaches(house) for text in texts]
    assert len(found) == 2 and any("version 2 main: it does not carry the signatures of two doctors" in text for text in found)


def test_the_preview_shows_the_same_pictures_inside_the_page(house: House, desk: Callable[[str], Desk]) -> None:
    put(house, "he")
    visit_id = finalized(house)
    with house.unit(system_actor("01"), write=False) as db:
        visit_no = visits.card(db, visit_id).visit_no
    address = f'src="data:image/png;base64,{base64.b64encode(HAND.content).decode()}"'
    before = desk("zhao").get(f"/reports/{visit_no}/preview").text
    issue(house, visit_id)
    put(house, "he", OTHER_HAND)
    after = desk("zhao").get(f"/reports/{visit_no}/preview?version=1").text
    for page in (before, after):
        assert page.count(address) == 1 and page.count("的签名图片") == 1 and "梁国栋" in page
