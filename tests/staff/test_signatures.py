"""A doctor's signature picture on the account's page: put, replaced, withdrawn, kept for ever; on both databases."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from exam.kit import audit
from exam.kit.audit import Audit
from exam.kit.errors import NotFound, Refused
from exam.kit.house import Actor, House
from exam.staff import ink, signatures
from exam.staff.models import SignaturePicture, Staff
from tests.staff.handwriting import jpeg, png, written

Acting = Callable[[str], Actor]
Desks = Callable[[str], Any]
FIRST, SECOND = png(written()), jpeg(written(phase=1.0))


def staff_id(house: House, login: str) -> UUID:
    with house.unit(None, write=False) as db:
        return db.scalars(select(Staff.id).where(Staff.login == login)).one()


def put(house: House, actor: Actor, content: bytes = FIRST, login: str = "zhao") -> UUID:
    with house.unit(actor) as db:
        return signatures.put(db, staff_id(house, login), ink.normalised(content))


def in_force(house: House, login: str = "zhao") -> UUID | None:
    with house.unit(None, write=False) as db:
        return signatures.in_force(db, staff_id(house, login))


def acts(house: House) -> list[tuple[str, str, str, str]]:
    wanted = select(Audit.act, Audit.actor, Audit.subject, Audit.reason).where(Audit.act.contains("signature_picture"))
    with house.unit(None, write=False) as db:
        return [tuple(each) for each in db.execute(wanted.order_by(Audit.at, Audit.writer, Audit.seq))]


def found_wrong(house: House) -> list[str]:
    with house.unit(None, write=False) as db:
        return [*signatures.breaches(db), *audit.row_breaches(db)]


# --- the service ------------------------------------------------------------------------------------------------------


def test_the_newest_picture_is_in_force_until_it_is_withdrawn_and_none_is_lost(house: House, acting: Acting) -> None:
    system = acting("system")
    assert in_force(house) is None
    first = put(house, system)
    assert in_force(house) == first
    second = put(house, system, SECOND)
    assert in_force(house) == second
    with house.unit(system) as db:
        signatures.withdraw(db, staff_id(house, "zhao"), "本人要求重新书写")
    assert in_force(house) is None, "the one before does not come back"
    with house.unit(system, write=False) as db:
        kept = signatures.of_account(db, staff_id(house, "zhao"))
        assert set(signatures.contents(db, [first, second])) == {first, second}
    assert [(each.id, each.is_in_force, each.put_by, each.withdrawn_by, each.reason) for each in kept] == [
        (second, False, "system", "system", "本人要求重新书写"), (first, False, "system", "", ""),
    ]  # fmt: skip
    third = put(house, system, SECOND)
    assert in_force(house) == third and in_force(house, "liang") is None
    assert acts(house) == [
        ("staff.put_signature_picture", "system", "staff:zhao", ""),
        ("staff.put_signature_picture", "system", "staff:zhao", ""),
        ("staff.withdraw_signature_picture", "system", "staff:zhao", "本人要求重新书写"),
        ("staff.put_signature_picture", "system", "staff:zhao", ""),
    ]
    assert found_wrong(house) == []


def test_what_makes_no_sense_is_refused(house: House, acting: Acting) -> None:
    system, zhao = acting("system"), staff_id(house, "zhao")
    with pytest.raises(Refused, match=r"staff\.signature_none"), house.unit(system) as db:
        signatures.withdraw(db, zhao, "没有图片")
    put(house, system)
    with pytest.raises(Refused, match=r"staff\.signature_same"):
        put(house, system)
    for reason in ("", "   ", "长" * 201):
        with pytest.raises(Refused, match=r"staff\.signature_reason"), house.unit(system) as db:
            signatures.withdraw(db, zhao, reason)
    with pytest.raises(Refused, match=r"staff\.signature_administrator"):
        put(house, system, login="audit")
    with pytest.raises(NotFound), house.unit(system) as db:
        signatures.put(db, UUID(int=7), ink.normalised(FIRST))
    assert in_force(house) is not None


def test_a_picture_of_another_site_or_of_somebody_else_is_not_found(house: House, acting: Acting) -> None:
    system = acting("system")
    picture = put(house, system)
    elsewhere = Actor(system.staff_id, system.login, system.name, "02", permissions=system.permissions, kind="system")
    zhao, liang = staff_id(house, "zhao"), staff_id(house, "liang")
    for actor, whose in ((elsewhere, zhao), (system, liang)):
        with pytest.raises(NotFound), house.unit(actor, write=False) as db:
            signatures.content(db, whose, picture)
    with pytest.raises(NotFound), house.unit(elsewhere) as db:
        signatures.put(db, zhao, ink.normalised(SECOND))
    with pytest.raises(NotFound), house.unit(elsewhere) as db:
        signatures.withdraw(db, zhao, "别的中心")


@pytest.mark.parametrize("statement", [
    "update exam_signature_picture set width = 1", "delete from exam_signature_picture",
    "update exam_signature_picture_withdrawal set reason = 'x'", "delete from exam_signature_picture_withdrawal",
])  # fmt: skip
def test_the_database_itself_keeps_every_picture(house: House, acting: Acting, statement: str) -> None:
    system = acting("system")
    put(house, system)
    with house.unit(system) as db:
        signatures.withdraw(db, staff_id(house, "zhao"), "重新书写")
    with pytest.raises(DBAPIError), house.unit(None) as db:
        db.execute(text(statement))


def test_a_picture_that_was_exchanged_behind_the_program_is_found(house: House, acting: Acting) -> None:
    other = ink.normalised(SECOND)
    put(house, acting("system"))
    with house.unit(acting("system")) as db:
        row = db.scalars(select(SignaturePicture)).one()
        copy = SignaturePicture(
            id=house.ids.new(), site=row.site, staff_id=row.staff_id, content=row.content, sha256=other.sha256, width=other.width,
            height=other.height, put_by="system", put_at=house.clock.now(),
        )  # fmt: skip
        db.add(copy)
    assert [each for each in found_wrong(house) if each.startswith(f"signature picture {copy.id}")]


# --- the pages --------------------------------------------------------------------------------------------------------


def sent(content: bytes, name: str = "签名.png", kind: str = "image/png") -> dict[str, Any]:
    return {"files": {"file": (name, content, kind)}}


def test_the_system_administrator_previews_puts_replaces_and_withdraws(desk: Desks, house: House) -> None:
    system = desk("system")
    page = f"/staff/accounts/{staff_id(house, 'zhao')}"
    assert "没有签名图片,报告上只印姓名" in system.get(page).text
    preview = system.htmx(f"{page}/signature/preview", **sent(FIRST))
    assert preview.status_code == 200 and "data:image/png;base64," in preview.text and "赵慧敏" in preview.text
    assert in_force(house) is None, "a preview stores nothing"
    saved = system.htmx(f"{page}/signature", **sent(FIRST))
    assert (saved.status_code, saved.headers["hx-redirect"]) == (200, page)
    picture = in_force(house)
    shown = system.get(page).text
    assert f'src="{page}/signature/{picture}"' in shown and "更换签名图片" in shown
    plain = system.post(f"{page}/signature", **sent(SECOND, "签名.jpg", "image/jpeg"))
    assert (plain.status_code, plain.headers["location"]) == (303, page), "also without a script"
    assert in_force(house) not in (None, picture)
    assert system.htmx(f"{page}/signature/withdraw", {"reason": "重新书写"}).status_code == 200
    after = system.get(page).text
    assert "没有签名图片" in after and "重新书写" in after and "历次图片 2 张" in after


def test_the_picture_is_served_as_a_picture_and_nothing_else(desk: Desks, house: House) -> None:
    system = desk("system")
    page = f"/staff/accounts/{staff_id(house, 'zhao')}"
    system.htmx(f"{page}/signature", **sent(FIRST))
    answer = system.get(f"{page}/signature/{in_force(house)}")
    assert answer.status_code == 200 and answer.content == ink.normalised(FIRST).content
    assert (answer.headers["content-type"], answer.headers["x-content-type-options"]) == ("image/png", "nosniff")
    assert answer.headers["content-disposition"].startswith("inline") and answer.headers["cache-control"] == "no-store"
    assert Image.open(io.BytesIO(answer.content)).mode == "RGBA"
    liang = f"/staff/accounts/{staff_id(house, 'liang')}/signature/{in_force(house)}"
    assert [system.get(each).status_code for each in (liang, f"{page}/signature/x", f"{page}/signature/{UUID(int=1)}")] == [404] * 3


def test_a_doctor_sees_the_own_picture_before_signing_and_nobody_elses(desk: Desks, house: House) -> None:
    system, zhao, liang = desk("system"), desk("zhao"), desk("liang")
    page = f"/staff/accounts/{staff_id(house, 'zhao')}"
    system.htmx(f"{page}/signature", **sent(FIRST))
    assert "/staff/signing/picture" in zhao.get("/staff/signing").text
    assert zhao.get("/staff/signing/picture").content == ink.normalised(FIRST).content
    assert "/staff/signing/picture" not in liang.get("/staff/signing").text
    assert liang.get("/staff/signing/picture").status_code == 404
    for other in (zhao, liang, desk("security"), desk("audit")):
        assert other.get(f"{page}/signature/{in_force(house)}").status_code == 403
        assert other.htmx(f"{page}/signature", **sent(SECOND)).status_code in (403, 409)
        assert other.htmx(f"{page}/signature/withdraw", {"reason": "x"}).status_code in (403, 409)
    assert in_force(house) is not None


@pytest.mark.parametrize("address", ["signature/preview", "signature"])
@pytest.mark.parametrize(
    ("sending", "said"),
    [
        ({}, "请选择 PNG 或 JPEG 文件"),
        ({"files": {"file": (None, "not a file")}}, "请选择 PNG 或 JPEG 文件"),
        (sent(b""), "图片文件是空的"),
        (sent(b"<html>", "a.html", "text/html"), "不是完整的 PNG 或 JPEG"),
        (sent(png(Image.new("RGB", (800, 400), "white"))), "图片上没有清楚的签名"),
        (sent(bytes(13 * 1024 * 1024)), "提交的内容过大"),
        (sent(FIRST + bytes(ink.MOST_BYTES)), "超过 5 MB"),
    ],
    ids=["nothing", "text", "empty", "a page", "blank", "beyond the server's limit", "large"],
)
def test_what_cannot_be_used_is_refused_on_the_page(desk: Desks, house: House, address: str, sending: dict[str, Any], said: str) -> None:
    answer = desk("system").htmx(f"/staff/accounts/{staff_id(house, 'zhao')}/{address}", **sending)
    assert answer.status_code in (409, 422) and said in answer.text
    assert in_force(house) is None


def test_administrators_accounts_have_no_picture(desk: Desks, house: House) -> None:
    system = desk("system")
    page = f"/staff/accounts/{staff_id(house, 'audit')}"
    assert "签名图片" not in system.get(page).text
    assert "管理员账号不签署报告" in system.htmx(f"{page}/signature", **sent(FIRST)).text
