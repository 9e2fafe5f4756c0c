"""The screens of a roster's import, from the upload to its undoing."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from exam.kit.house import House
from exam.kit.upload_scanners import UPLOAD_SCANNERS
from exam.staff.models import Grant, Staff
from group_orders import roster_accepting
from tests.conftest import actor_named
from tests.group_orders.roster_cases import HEADER, id_number, person, xlsx
from tests.group_orders.test_roster_service import Enrolled, known, make_order

Desk = Callable[[str], Any]
FORM = {"sheet": "0", "header_row": "1"}
COLUMNS = ("name", "id_no", "sex", "birth_on", "phone", "marital", "department", "employee_no", "job", "post", "cohort", "remark")


@pytest.fixture(autouse=True)
def keeper(house: House) -> None:
    """Makes qin a keeper of group orders."""
    with house.unit(None) as db:
        staff = db.scalars(select(Staff).where(Staff.login == "qin")).one()
        held = select(Grant.id).where(Grant.staff_id == staff.id, Grant.role == "group_keeper")
        if db.scalar(held) is None:
            db.add(
                Grant(
                    id=house.ids.new(), staff_id=staff.id, staff_kind="staff", role="group_keeper", site=house.site, department="",
                    granted_by="system", granted_at=house.clock.now(),
                )
            )  # fmt: skip


@pytest.fixture
def order(house: House) -> UUID:
    qin = actor_named(house, "qin")
    with house.unit(qin) as db:
        return make_order(db, qin.site)


@pytest.fixture
def enrolled(monkeypatch: pytest.MonkeyPatch) -> Enrolled:
    fake = Enrolled()
    monkeypatch.setattr(roster_accepting.members, "enrol", fake.enrol)
    monkeypatch.setattr(roster_accepting.members, "withdraw_batch", fake.withdraw_batch)
    return fake


def send(qin: Any, order: UUID, content: bytes, name: str = "名单.xlsx") -> Any:
    return qin.htmx(f"/group-orders/{order}/roster", {}, files={"file": (name, content)})


def upload(qin: Any, order: UUID, rows: Sequence[Sequence[Any]]) -> str:
    answer = send(qin, order, xlsx(rows))
    assert answer.status_code == 200, answer.text
    return str(answer.headers["hx-redirect"]).removesuffix("/columns")


def columns(**more: str) -> dict[str, str]:
    return {**FORM, **{f"column_{place}": name for place, name in enumerate(COLUMNS)}, **more}


def check(qin: Any, url: str) -> None:
    ver = re.search(r'name="ver" value="(\d+)"', qin.get(f"{url}/columns").text)
    assert ver
    answer = qin.htmx(f"{url}/check", columns(ver=ver[1]))
    assert answer.status_code == 200, answer.text
    assert answer.headers["hx-redirect"] == url


def ver_of(qin: Any, url: str) -> str:
    found = re.search(r'name="ver" value="(\d+)"', qin.get(f"{url}?tab=conflicts").text)
    assert found
    return found[1]


def test_from_the_upload_to_the_undoing(desk: Desk, house: House, order: UUID, enrolled: Enrolled) -> None:
    qin = desk("qin")
    assert "下载模板" in qin.get(f"/group-orders/{order}/roster").text
    url = upload(qin, order, [["某厂名单"], HEADER, person(1), person(2, 身份证号="450110198502300019"), person(3)])
    page = qin.get(f"{url}/columns").text
    assert 'name="header_row" value="2"' in page and "450****" in page and id_number(1) not in page
    assert "证件号码中的出生日期不存在" in page
    ver = re.search(r'name="ver" value="(\d+)"', page)
    assert ver and qin.htmx(f"{url}/check", columns(ver=ver[1], header_row="2")).headers["hx-redirect"] == url
    page = qin.get(url).text
    assert "B4" in page and "证件号码中的出生日期不存在" in page and "确认导入 2 人" in page
    refused = qin.htmx(f"{url}/accept", {"ver": ver_of(qin, url)})
    assert refused.status_code == 409 and "跳过错误行" in refused.text
    assert qin.htmx(f"{url}/accept", {"ver": ver_of(qin, url), "skips_bad": "true"}).status_code == 200
    assert 'hx-trigger="every 1s"' in qin.get(url).text
    roster_accepting.accept_waiting(house)
    page = qin.get(url, headers={"hx-request": "true"}).text
    assert "已导入" in page and "every 1s" not in page and "<html" not in page
    assert [each.id_no for each in enrolled.chunks[0]] == [id_number(1), id_number(3)]
    assert qin.htmx(f"{url}/undo", {"reason": "名单发错"}).headers["hx-redirect"] == f"/group-orders/{order}/roster"
    page = qin.get(f"/group-orders/{order}/roster").text
    assert "已撤销" in page and "名单发错" in page


def test_a_file_that_is_no_roster_is_refused_on_the_screen(desk: Desk, order: UUID) -> None:
    qin = desk("qin")
    for content, name, told in (
        (b"<html></html>", "名单.xls", "不是 Excel 工作簿"), (b"PK\x03\x04x", "名单.xlsx", "不是有效的 xlsx"), (b"", "名单.csv", "空的"),
    ):  # fmt: skip
        answer = send(qin, order, content, name)
        assert answer.status_code == 409 and told in answer.text
    missing = qin.htmx(f"/group-orders/{order}/roster", {}, files={"other": ("a", b"x")})
    assert missing.status_code == 422 and "请选择" in missing.text


def test_a_scanner_of_the_house_sees_the_file_first(desk: Desk, house: House, order: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(house.modules._slots, id(UPLOAD_SCANNERS), [lambda content: "测试病毒" if b"PK" in content else ""])
    answer = send(desk("qin"), order, xlsx([HEADER, person(1)]))
    assert answer.status_code == 409 and "测试病毒" in answer.text


def test_the_preview_follows_the_chosen_columns(desk: Desk, order: UUID) -> None:
    qin = desk("qin")
    url = upload(qin, order, [HEADER, person(1)])
    page = qin.htmx(f"{url}/columns/preview", columns(column_1=""))
    assert "还没有指定必需的列:证件号码" in page.text and id_number(1) not in page.text
    assert "必需的列已指定" in qin.htmx(f"{url}/columns/preview", columns()).text
    twice = qin.htmx(f"{url}/columns/preview", columns(column_11="name"))
    assert twice.status_code == 422 and "指定了两列" in twice.text
    far = qin.htmx(f"{url}/check", columns(header_row="99"))
    assert far.status_code == 409 and "超出工作表" in far.text


def test_another_sheet_and_another_header_row_can_be_chosen(desk: Desk, order: UUID) -> None:
    qin = desk("qin")
    url = upload(qin, order, [["姓名", "身份证号"], *[[f"甲{n}", id_number(n)] for n in range(12)]])
    assert "超出工作表" in qin.get(f"{url}/columns?sheet=7").text
    assert "甲1" not in re.sub(r"(?s)<select.*?</select>", "", qin.get(f"{url}/columns?header_row=3").text).split("<tbody>")[1]


def test_faults_are_listed_by_column_and_page_and_as_a_workbook(desk: Desk, order: UUID) -> None:
    qin = desk("qin")
    url = upload(qin, order, [HEADER, *[person(n, 手机="1", 性别="不明") for n in range(1, 61)]])
    check(qin, url)
    page = qin.get(f"{url}?tab=problems&field=phone").text
    assert "E2" in page and "C2" not in page and "共 <b>60</b> 条" in page and "E51" in page and "E52" not in page
    assert "E61" in qin.get(f"{url}?tab=problems&field=phone&page=2").text
    content = qin.get(f"{url}/faults").content
    assert len(CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()) == 121


def test_a_conflict_is_decided_on_the_screen(desk: Desk, house: House, order: UUID, enrolled: Enrolled) -> None:
    qin = desk("qin")
    known(house, qin.actor, 1, "黄某")
    url = upload(qin, order, [HEADER, person(1), person(3)])
    check(qin, url)
    page = qin.get(url).text
    assert "姓名首字“黄”" in page and "按档案导入" in page and id_number(1) not in page
    assert qin.htmx(f"{url}/decide", {"ver": ver_of(qin, url), "row": "2", "decision": "file"}).status_code == 200
    assert "按已有档案导入" in qin.get(f"{url}?tab=conflicts").text and "确认导入 2 人" in qin.get(url).text
    undone = qin.htmx(f"{url}/decide", {"ver": ver_of(qin, url), "row": "2", "decision": ""})
    assert undone.status_code == 200 and "确认导入" not in qin.get(url).text
    stale = qin.htmx(f"{url}/decide", {"ver": "1", "row": "2", "decision": "skip"})
    assert stale.status_code == 409 and "他人" in stale.text


def test_names_of_files_and_cells_never_become_markup(desk: Desk, order: UUID) -> None:
    qin = desk("qin")
    nasty = "<script>alert(1)</script>"
    answer = send(qin, order, xlsx([[*HEADER, nasty], [*person(1, 部门=nasty, 手机=nasty), "x"]]), f"{nasty}.xlsx")
    url = str(answer.headers["hx-redirect"]).removesuffix("/columns")
    check(qin, url)
    for page in (f"{url}/columns", f"{url}?tab=problems", f"{url}?tab=rows", f"/group-orders/{order}/roster"):
        assert nasty not in qin.get(page).text, page


def test_the_template_offers_the_order_s_cohorts(desk: Desk, order: UUID) -> None:
    answer = desk("qin").get(f"/group-orders/{order}/roster/template")
    assert answer.headers["content-type"].startswith("application/vnd.openxml")
    assert answer.content[:2] == b"PK"


def test_who_may_not_import_sees_nothing_of_it(desk: Desk, order: UUID) -> None:
    assert desk("wu").get(f"/group-orders/{order}/roster").status_code == 403
