"""The screens of group orders, from a new organisation to a completed round."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from exam.kit.clock import day_of
from exam.kit.errors import BadInput
from exam.kit.house import Actor, House
from group_orders import members, rules, service, tasks
from group_orders.facts import Choice, Offer, OfferMode
from group_orders.models import Member, OrganizationProfile
from tests.group_orders.cases import MEN, draft, enrolled, open_round

Desk = Callable[[str], Any]
Acting = Callable[[str], Actor]
CREDIT = "91350100M000100Y43"
WRONG_CREDIT = "91350100M000100Y44"


def id_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.headers["hx-redirect"]).rpartition("/")[2]


@pytest.mark.parametrize("code", [CREDIT, " 91110108551385082q ", ""])
def test_a_sound_credit_code_is_taken(code: str) -> None:
    assert rules.read_credit_code(code) == code.strip().upper()


@pytest.mark.parametrize("code", [WRONG_CREDIT, "9135010OM000100Y43", "91350100M000100Y4", "91350100M000100Y431", "I1350100M000100Y43"])
def test_a_wrong_credit_code_is_refused(code: str) -> None:
    with pytest.raises(BadInput, match="统一社会信用代码"):
        rules.read_credit_code(code)


def test_every_single_slip_in_a_credit_code_is_found() -> None:
    letters = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    for place, right in enumerate(CREDIT):
        for wrong in letters:
            if wrong != right:
                with pytest.raises(BadInput):
                    rules.read_credit_code(CREDIT[:place] + wrong + CREDIT[place + 1 :])


def test_from_an_organisation_to_an_open_round(desk: Desk, house: House) -> None:
    ning, gan = desk("ning"), desk("gan")
    wrong = ning.htmx("/group-orders/organizations", {"name": "南宁糖业", "credit_code": WRONG_CREDIT, "phone": "12"})
    assert wrong.status_code == 422 and "校验位不符" in wrong.text and 'data-field="phone"' in wrong.text
    profile = {"name": "南宁糖业", "credit_code": CREDIT, "contact": "覃主任", "phone": "13877112233"}
    organization = id_of(ning.htmx("/group-orders/organizations", profile))
    url = f"/group-orders/organizations/{organization}"
    page = ning.get(url).text
    assert CREDIT in page and "138****2233" in page and "13877112233" not in page
    assert "13877112233" in ning.htmx(f"{url}/phone").text
    for words in ("nnty", "南宁", CREDIT[:9]):
        assert "南宁糖业" in ning.get(f"/group-orders/organizations?q={words}").text
    assert "没有找到单位" in ning.get("/group-orders/organizations?q=zzz").text
    with house.unit(ning.actor, write=False) as db:
        assert b"13877112233" not in db.get_one(OrganizationProfile, UUID(organization)).phone
    saved = ning.htmx(url, {"ver": "1", "credit_code": CREDIT, "contact": "李主任", "phone": ""})
    assert saved.status_code == 200
    page = ning.get(url).text
    assert "李主任" in page and "138****2233" in page
    assert ning.htmx(url, {"ver": "1", "contact": "晚到"}).status_code == 409
    agreed = {"name": "年度体检", "starts_on": "2026-11-21", "ends_on": "2027-11-20", "off_from_1": "10000", "off_1": "500", "cap": "90000"}
    contract = id_of(ning.htmx(f"{url}/contracts", agreed))
    assert "满 10000.00 减 500.00;封顶 90000.00" in ning.get(f"/group-orders/contracts/{contract}").text
    order = id_of(ning.htmx(f"/group-orders/contracts/{contract}/orders", {"name": "秋季", "opens_on": "2026-11-21", "closes_on": "2026-12-31"}))
    cohort = id_of(ning.htmx(f"/group-orders/{order}/cohorts", {"name": "男职工", "sex": "M", "marital": "未婚", "jobs": "电工、焊工"}))
    assert "男 未婚 电工、焊工" in ning.get(f"/group-orders/{order}").text and "未设置方案" in ning.get(f"/group-orders/{order}").text
    offer = {"mode": "items", "package": "P02", "factor": "0.88", "sample_sex": "M", "sample_age": "45", "sample_marital": "未婚"}
    preview = ning.htmx(f"/group-orders/cohorts/{cohort}/offer/preview", offer)
    assert re.search(r"男 45 岁 未婚:\d+ 项,单位 <span class=\"number\">593.12</span>,个人 <span class=\"number\">0.00</span>", preview.text)
    bad = ning.htmx(f"/group-orders/cohorts/{cohort}/offer/preview", {**offer, "factor": "2", "group_factors": "乳腺彩超"})
    assert bad.status_code == 200 and "缺少系数" in bad.text
    assert ning.htmx(f"/group-orders/cohorts/{cohort}/offer", offer).status_code == 200
    unexplained = ning.htmx(f"/group-orders/cohorts/{cohort}/offer", {**offer, "limit_yuan": "500"})
    assert unexplained.status_code == 409 and "原因" in unexplained.text
    assert ning.htmx(f"/group-orders/cohorts/{cohort}/offer", {**offer, "limit_yuan": "500", "reason": "单位要求"}).status_code == 200
    page = ning.get(f"/group-orders/cohorts/{cohort}").text
    assert "每人上限 500.00" in page and "单位要求" in page and "首次设置" in page
    assert ning.post(f"/group-orders/{order}/approve").status_code == 403
    assert "审批通过" in gan.get(f"/group-orders/{order}").text
    assert gan.htmx(f"/group-orders/{order}/approve").status_code == 200
    assert ning.htmx(f"/group-orders/{order}/act/open", {}).status_code == 200
    assert "南宁糖业" in ning.get("/group-orders").text and "未完成体检的单位" in ning.get("/group-orders").text
    late = ning.htmx(f"/group-orders/{order}/act/return", {"reason": "改方案"})
    assert late.status_code == 409 and "进行中" in late.text


def test_a_late_member_their_family_a_move_a_replacement(desk: Desk, house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    ning = desk("ning")
    url = f"/group-orders/{round_.order_id}"
    one, two = draft(1, round_.cohorts["男职工"]), draft(2, round_.cohorts["男职工"])
    assert "按条件自动分组" in ning.get(f"{url}/members/add").text
    form = {"name": one.name, "id_no": one.id_no, "department": "一车间", "employee_no": "E1", "key": "k" * 20}
    member = id_of(ning.htmx(f"{url}/members/add", form))
    assert id_of(ning.htmx(f"{url}/members/add", form)) == member
    page = ning.get(f"/group-orders/members/{member}").text
    assert "男职工" in page and "E1" in page and one.id_no not in page
    wife = draft(101, round_.cohorts["女职工"], sex="F")
    family = {"name": wife.name, "id_no": wife.id_no, "relation": "配偶", "key": "f" * 20}
    missing = ning.htmx(f"{url}/members/add", {**family, "of_employee_no": "E9"})
    assert missing.status_code == 422 and "没有工号为" in missing.text
    relative = id_of(ning.htmx(f"{url}/members/add", {**family, "of_employee_no": "E1", "key": "g" * 20}))
    assert wife.name in ning.get(f"/group-orders/members/{member}").text and "配偶" in ning.get(f"/group-orders/members/{member}").text
    again = ning.htmx(f"{url}/members/add", {**form, "key": "h" * 20})
    assert again.status_code == 409 and "已在该批次名单中" in again.text
    moved = ning.htmx(f"/group-orders/members/{relative}/move", {"cohort_id": str(round_.cohorts["男职工"])})
    assert moved.status_code == 200
    swapped = ning.htmx(f"/group-orders/members/{member}/replace", {"name": two.name, "id_no": two.id_no, "reason": "出差", "key": "r" * 20})
    new = id_of(swapped)
    assert "替换" in ning.get(f"/group-orders/members/{new}").text and "由" in ning.get(f"/group-orders/members/{member}").text
    assert ning.htmx(f"/group-orders/members/{new}/remove", {"reason": "离职"}).status_code == 200
    assert "离职" in ning.get(f"{url}/members?tab=left").text


def test_optional_groups_are_chosen_in_the_right_number(desk: Desk, house: House, acting: Acting) -> None:
    offer = Offer(mode=OfferMode.ITEMS, package="P02", choices=(Choice("影像三选一", 1, ("G021", "G023", "G037")),))
    round_ = open_round(house, acting, men=offer)
    member_id = enrolled(house, acting, round_, men=1, women=0)[0]
    ning = desk("ning")
    url = f"/group-orders/members/{member_id}"
    page = ning.get(url).text
    assert "影像三选一(3 选 1)" in page and page.count(" checked") == 1
    twice = ning.htmx(f"{url}/choose", {"chosen": ["G023", "G021"]})
    assert twice.status_code == 409 and "应选 1 项,现选了 2 项" in twice.text
    assert ning.htmx(f"{url}/choose", {"chosen": ["G023"]}).status_code == 200
    with house.unit(acting("ning"), write=False) as db:
        assert '"G023"' in db.get_one(Member, member_id).covered and '"G021"' not in db.get_one(Member, member_id).covered
    repeated = {"mode": "items", "package": "P02", "choice_label_1": "影像", "choice_groups_1": "甲状腺彩超、G021", "reason": "试"}
    told = ning.htmx(f"/group-orders/cohorts/{round_.cohorts['女职工']}/offer", repeated)
    assert told.status_code == 422 and "已在套餐或另加项目中" in told.text


def test_every_count_opens_its_list_and_is_exported(desk: Desk, house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    enrolled(house, acting, round_, men=3, women=2)
    ning = desk("ning")
    url = f"/group-orders/{round_.order_id}"
    page = ning.get(url).text
    for tab in ("all", "booked", "registered", "checked_in", "finished", "reported", "absent"):
        assert f"{url}/members?tab={tab}" in page
        assert ning.get(f"{url}/members?tab={tab}").status_code == 200
    assert "共 <b>5</b> 条" in ning.get(f"{url}/members?tab=absent").text
    assert "共 <b>2</b> 条" in ning.get(f"{url}/members?cohort={round_.cohorts['女职工']}").text
    found = ning.post(f"{url}/members", {"tab": "all", "q": "E0002"})
    assert "共 <b>1</b> 条" in found.text and draft(2, round_.order_id).name in found.text
    content = ning.post(f"{url}/members/export", {"tab": "absent"}).content
    rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    assert len(rows) == 6 and rows[0][0] == "姓名" and "138****" in str(rows[1][3])
    assert ning.get("/group-orders/export").content[:2] == b"PK"
    assert desk("lin").post(f"{url}/members/export", {"tab": "all"}).status_code == 403


def test_a_round_is_completed_reopened_and_followed_by_the_next(desk: Desk, house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    enrolled(house, acting, round_, men=2, women=0)
    ning = desk("ning")
    url = f"/group-orders/{round_.order_id}"
    page = ning.get(f"{url}/complete").text
    assert "从未预约、未到检的 <b class=\"number\">2</b> 人" in page and draft(1, round_.order_id).name in page
    assert ning.htmx(f"{url}/complete", {"reason": "未到检"}).status_code == 200
    assert ning.htmx(f"{url}/act/reopen", {"reason": ""}).status_code == 409
    assert ning.htmx(f"{url}/act/reopen", {"reason": "补检"}).status_code == 200
    assert ning.htmx(f"{url}/complete", {"reason": "未到检"}).status_code == 200
    following = id_of(ning.htmx(f"{url}/next", {"name": "第二批", "opens_on": "2027-01-04", "closes_on": "2027-03-31"}))
    page = ning.get(f"/group-orders/{following}").text
    assert "第 2 轮 第二批" in page and "男职工" in page and "女职工" in page and "未设置方案" not in page
    with house.unit(acting("ning"), write=False) as db:
        cohorts = service.cohorts_of(db, UUID(following))
        assert next(members.offer_of(terms) for _, terms in cohorts if terms) == MEN


def test_a_cohort_s_rule_is_changed_and_an_empty_one_dropped(desk: Desk, house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    enrolled(house, acting, round_, men=1, women=0)
    ning = desk("ning")
    men, women = (f"/group-orders/cohorts/{round_.cohorts[name]}" for name in ("男职工", "女职工"))
    twice = ning.htmx(men, {"name": "女职工", "sex": "M", "ver": "1"})
    assert twice.status_code == 422 and "已存在" in twice.text
    assert ning.htmx(men, {"name": "男职工", "sex": "M", "age_from": "18", "age_to": "60", "ver": "1"}).status_code == 200
    assert "男 18–60 岁" in ning.get(men).text
    assert ning.htmx(men, {"name": "男职工", "ver": "1"}).status_code == 409
    used = ning.htmx(f"{men}/drop")
    assert used.status_code == 409 and "还有成员" in used.text
    assert ning.htmx(f"{women}/drop").status_code == 200
    assert ">女职工<" not in ning.get(f"/group-orders/{round_.order_id}").text


def test_the_screens_of_booking_and_printing(desk: Desk, house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    enrolled(house, acting, round_, men=2, women=0)
    ning = desk("ning")
    url = f"/group-orders/{round_.order_id}"
    assert "还没有人预约体检日期" in ning.get(f"{url}/print").text
    day = day_of(house.clock.now()) + timedelta(days=2)
    assert f'name="day_{day.isoformat()}"' in ning.get(f"{url}/booking").text
    fields = {"tab": "unbooked", "cohort": "", "department": "", "day": "", f"day_{day.isoformat()}": "2"}
    assert "安排预览" in ning.htmx(f"{url}/booking/preview", fields).text and "一车间 2" in ning.htmx(f"{url}/booking/preview", fields).text
    wrong = ning.htmx(f"{url}/booking", {**fields, f"day_{day.isoformat()}": "二"})
    assert wrong.status_code == 422 and "请填写整数" in wrong.text
    task = id_of(ning.htmx(f"{url}/booking", fields))
    assert "every 1s" in ning.get(f"/group-orders/tasks/{task}").text
    tasks.work_waiting(house)
    fragment = ning.get(f"/group-orders/tasks/{task}", headers={"hx-request": "true"}).text
    assert "every 1s" not in fragment and "<html" not in fragment and "已完成" in fragment
    assert f"{day.isoformat()} 2 人" in ning.get(f"{url}/print").text
    member = id_of_first(house, acting, round_.order_id)
    assert ning.htmx(f"/group-orders/members/{member}/book", {"exam_on": "2027-06-01"}).status_code == 409
    assert ning.htmx(f"/group-orders/members/{member}/book", {"exam_on": (day + timedelta(days=1)).isoformat()}).status_code == 200
    removal = ning.htmx(f"/group-orders/members/{member}/remove", {"reason": "离职"})
    assert removal.status_code == 409 and "先取消其预约" in removal.text
    assert ning.htmx(f"/group-orders/members/{member}/unbook", {"reason": "出差"}).status_code == 200
    assert "待预约" in ning.get(f"/group-orders/members/{member}").text
    assert desk("wu").get(f"{url}/booking").status_code == 403


def id_of_first(house: House, acting: Acting, order_id: UUID) -> UUID:
    with house.unit(acting("ning"), write=False) as db:
        return db.scalars(select(Member.id).where(Member.order_id == order_id).order_by(Member.id).limit(1)).one()


def test_programs_read_organisations_rounds_and_members(desk: Desk, house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    enrolled(house, acting, round_, men=2, women=1)
    ning = desk("ning")
    assert ning.get("/api/group-orders/organizations?q=桂林").json()["organizations"][0]["name"].startswith("桂林机械厂")
    listed = ning.get("/api/group-orders/rounds").json()
    assert listed["companies"] == 1 and listed["rounds"][0]["counts"]["expected"] == 3
    assert ning.get(f"/api/group-orders/rounds/{round_.order_id}").json()["state"] == "open"
    answer = ning.get(f"/api/group-orders/rounds/{round_.order_id}/members?tab=absent").json()
    assert answer["counts"]["unbooked"] == 3 and answer["members"][0]["exam_on"] is None and answer["members"][0]["state"] == "listed"
    assert ning.get(f"/api/group-orders/rounds/{round_.contract_id}").status_code == 404


def test_typed_words_never_become_markup(desk: Desk, house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    nasty = "<script>alert(1)</script>"
    with house.unit(acting("ning")) as db:
        members.add_one(db, round_.order_id, draft(1, round_.cohorts["男职工"], department=nasty, job=nasty, remark=nasty))
    ning = desk("ning")
    url = f"/group-orders/{round_.order_id}"
    for page in (url, f"{url}/members", f"{url}/booking", f"{url}/print", f"/group-orders?q={nasty}", f"/group-orders/organizations?q={nasty}",
                 f"/group-orders/members/{id_of_first(house, acting, round_.order_id)}"):  # fmt: skip
        assert nasty not in ning.get(page).text, page
