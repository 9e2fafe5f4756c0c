"""The screens of settlements and transfers, and the statement that a company gets: read back and added up again."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from pypdf import PdfReader
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from billing import transfers
from exam.kit.house import House
from exam.kit.money import yuan as yuan_text
from group_orders import prepaying, service, settling
from group_orders.facts import Reduction, ReductionKind
from group_orders.settlement_models import SettlementRow
from registration import service as desk_service
from tests.group_orders.cases import Acting, Round, enrolled, open_round
from tests.group_orders.roster_cases import xlsx
from tests.group_orders.settling_cases import approved, come, propose, row_of, sound, transferred

Desk = Callable[[str], Any]
MAN = 59312
HEADER = ["交易日期", "对方户名", "贷方发生额", "借方发生额", "交易流水号", "摘要"]


@pytest.fixture
def round_(house: House, acting: Acting) -> Round:
    """Two men and a woman, of whom two came; the woman pays 11.20 herself."""
    made = open_round(house, acting, reductions=(Reduction(ReductionKind.OFF_FROM, 100000, 5000),))
    ids = enrolled(house, acting, made, men=2, women=1)
    come(house, acting, ids[0], 1)
    come(house, acting, ids[2], 101, sex="F")
    return made


def key_of(page: str, suffix: str = "") -> str:
    found = re.search(r'name="key" value="([0-9a-f]{32}' + suffix + r')"', page)
    assert found
    return found[1]


def fen(cell: Any) -> int:
    return round(float(cell) * 100)


def test_from_the_draft_to_the_money(desk: Desk, house: House, round_: Round, acting: Acting) -> None:
    ning, gan, deng = desk("ning"), desk("gan"), desk("deng")
    url = f"/group-orders/{round_.order_id}/settlements"
    page = ning.get(url).text
    assert "中间结算" in page and "没有预缴" in page
    taken = ning.htmx(f"/group-orders/{round_.order_id}/prepayment", {
        "amount": "500", "method": "bank_card", "reference": "POS1", "key": key_of(page, "a"),
    })  # fmt: skip
    assert taken.status_code == 200, taken.text
    again = ning.htmx(f"/group-orders/{round_.order_id}/prepayment", {
        "amount": "500", "method": "bank_card", "reference": "POS1", "key": key_of(page, "a"),
    })  # fmt: skip
    assert again.status_code == 200
    page = ning.get(f"{url}/draft?kind=interim").text
    assert "500.00" in page and "人员未达到计费时点" in page and "满额减:累计满 1000.00 元减 50.00 元" in page
    assert "1143.12" in page  # 593.12 + 600.00 - 50.00
    digest = re.search(r'name="digest" value="([0-9a-f]+)"', page)
    assert digest
    sent = ning.htmx(url, {"kind": "interim", "digest": digest[1], "until_on": "", "prepaid": "300.00", "remark": "首批"})
    assert sent.status_code == 200, sent.text
    at = sent.headers["hx-redirect"]
    assert "须由另一位" not in ning.get(at).text and "审核通过</button>" not in ning.get(at).text
    assert ning.htmx(f"{at}/approve").status_code == 409 or ning.htmx(f"{at}/approve").status_code == 403
    assert "审核通过" in gan.get(at).text
    assert gan.htmx(f"{at}/approve").status_code == 200
    assert "843.12" in gan.get(at).text
    page = deng.get("/settlements/transfers").text
    recorded = deng.htmx("/settlements/transfers", {
        "amount": "1,000.00", "payer_name": "桂林机械厂1X有限责任公司", "received_on": "2026-11-20", "bank_reference": "B1", "key": key_of(page),
    })  # fmt: skip
    assert recorded.status_code == 200, recorded.text
    transfer = recorded.headers["hx-redirect"]
    page = deng.get(transfer).text
    assert "户名相符" in page and "待收" in page
    target = re.search(r'name="target" value="(settlement:[0-9a-f-]+)"', page)
    assert target
    assert deng.htmx(f"{transfer}/match", {"target": target[1], "amount": "843.12", "key": key_of(page, "1")}).status_code == 200
    assert "已结清" in deng.get(at).text
    page = deng.get(transfer).text
    assert "156.88" in page and "撤销" in page
    too_much = deng.htmx(
        f"{transfer}/match", {"target": f"prepayment:{round_.order_id}", "amount": "156.89", "key": key_of(page, "1")}
    )
    assert too_much.status_code == 409 and "156.88" in too_much.text
    returned = {"target": "returned", "amount": "156.88", "reason": "多汇", "key": key_of(page, "r")}
    assert deng.htmx(f"{transfer}/match", returned).status_code == 200
    with house.unit(deng.actor, write=False) as db:
        match = transfers.matches(db, target_id=db.scalars(select(SettlementRow.id)).one())[0]
    assert deng.htmx(f"/settlements/matches/{match.id}/undo", {"reason": "认错"}).status_code == 200
    assert "待收款" in deng.get(at).text
    assert gan.htmx(f"{at}/void", {"reason": "单位更名"}).status_code == 200
    assert "单位更名" in gan.get(at).text
    with house.unit(deng.actor, write=False) as db:
        assert prepaying.balance(db, round_.order_id) == 50000
    assert sound(house) == []


def test_the_workbook_adds_up_again_to_the_settlement(desk: Desk, house: House, round_: Round, acting: Acting) -> None:
    settlement_id = approved(house, acting, round_)
    row = row_of(house, acting, settlement_id)
    answer = desk("ning").get(f"/settlements/{settlement_id}/statement/xlsx")
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
    assert book.sheet_names == ["结算单", "人员明细", "项目明细"]
    lines = book.get_sheet_by_name("项目明细").to_python()[1:]
    by_visit: dict[str, int] = {}
    for each in lines[:-1]:
        by_visit[each[4]] = by_visit.get(each[4], 0) + fen(each[8])
    assert sum(by_visit.values()) == fen(lines[-1][8]) == row.lines_fen == MAN + 60000
    members, cohorts, subtotals = book.get_sheet_by_name("人员明细").to_python()[1:], dict[str, int](), dict[str, int]()
    for each in members[:-1]:
        if str(each[0]).startswith("小计:"):
            subtotals[each[0].removeprefix("小计:")] = fen(each[8])
        else:
            assert by_visit.pop(each[5]) == fen(each[8])
            cohorts[each[0]] = cohorts.get(each[0], 0) + fen(each[8])
    assert by_visit == {} and cohorts == subtotals == {"男职工": MAN, "女职工": 60000}
    assert fen(members[-1][8]) == row.lines_fen
    sums = {
        each[0]: fen(each[3]) for each in book.get_sheet_by_name("结算单").to_python() if each[0] and isinstance(each[3], float)
    }
    adjusted = sum(amount for name, amount in sums.items() if name.startswith("满额减"))
    assert sums["男职工"] + sums["女职工"] == sums["项目合计"]
    assert sums["项目合计"] + adjusted == sums["应结金额"] == row.due_fen
    assert sums["应付金额"] == row.receivable_fen


def test_the_paper_adds_up_again_to_the_settlement(desk: Desk, house: House, round_: Round, acting: Acting) -> None:
    settlement_id = approved(house, acting, round_)
    row = row_of(house, acting, settlement_id)
    answer = desk("ning").get(f"/settlements/{settlement_id}/statement/pdf")
    assert answer.headers["content-type"] == "application/pdf"
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages)
    of_members: list[int] = []
    for part in re.split(r"^\d{16}$", text, flags=re.MULTILINE)[
        1:
    ]:  # from each visit number on, up to the next member or the subtotal
        body = re.split(r"^小计", part, flags=re.MULTILINE)[0]
        own = re.search(r"^(\d+\.\d\d)$", body, re.MULTILINE)
        assert own
        of_lines = [int(yuan.replace(".", "")) for yuan in re.findall(r"\s(\d+\.\d\d)(?=;|$)", body[own.end() :], re.MULTILINE)]
        of_members.append(int(own[1].replace(".", "")))
        assert len(of_lines) > 10 and sum(of_lines) == of_members[-1]
    assert of_members == [MAN, 60000]
    assert sum(of_members) == row.lines_fen and row.lines_fen + row.adjusted_fen == row.due_fen
    flat = re.sub(r"\s+", " ", text)
    told = (
        ("项目合计 2 \\d+", row.lines_fen), ("减 50.00 元", row.adjusted_fen), ("应结金额", row.due_fen), ("应付金额", row.receivable_fen),
    )  # fmt: skip
    for label, fen_ in told:
        assert re.search(f"{label} {re.escape(yuan_text(fen_))}", flat), label
    assert "小计 男职工 1 人" in flat and "合计 2 人" in flat and "个人自费项目不在其内" in flat


def test_what_members_pay_themselves_is_not_on_the_company_s_bill(desk: Desk, house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    [member] = enrolled(house, acting, round_, men=1, women=0)
    visit_id = come(house, acting, member, 1)
    with house.unit(acting("lin")) as db:
        desk_service.add_groups(db, visit_id, ["G061"])
    settlement_id = approved(house, acting, round_)
    ning = desk("ning")
    with house.unit(acting("ning"), write=False) as db:
        assert service.owed(db, round_.order_id) == MAN
    content = ning.get(f"/settlements/{settlement_id}/statement/xlsx").content
    lines = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_name("项目明细").to_python()
    answer = ning.get(f"/settlements/{settlement_id}/own-parts")
    own = CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()
    extra = own[1][5]
    assert [each[5] for each in own[1:]] == [extra, ""] and fen(own[1][6]) == fen(own[2][6]) > 0
    assert extra not in {each[6] for each in lines}
    pdf = PdfReader(io.BytesIO(ning.get(f"/settlements/{settlement_id}/statement/pdf").content))
    assert extra not in "".join(page.extract_text() for page in pdf.pages)


def test_a_large_statement_goes_over_pages_and_still_adds_up(house: House, acting: Acting) -> None:
    """Drawn from a statement alone: hundreds of members, each page with its columns, nothing lost between them."""
    from datetime import UTC, date, datetime
    from uuid import UUID

    from group_orders import settlement_facts as facts
    from group_orders import statement, statement_paper

    at = datetime(2026, 11, 21, tzinfo=UTC)

    def member(n: int) -> facts.SettledMember:
        lines = tuple(
            facts.SettledLine(line_id=UUID(int=n), visit_id=UUID(int=n), kind=facts.LineKind.FIRST, name=f"项目{place}", standard_fen=2000,
                              amount_fen=100 * n + place)
            for place in range(12)
        )  # fmt: skip
        return facts.SettledMember(
            visit_id=UUID(int=n), visit_no=f"{n:016d}", cohort="全体", name=f"韦{n}", employee_no=f"E{n}", department="一车间",
            exam_on=date(2026, 11, 21), package_name="", amount_fen=sum(line.amount_fen for line in lines), lines=lines,
        )  # fmt: skip

    members = tuple(member(n) for n in range(1, 201))
    total = sum(each.amount_fen for each in members)
    sums = facts.Sums(lines_fen=total, adjusted_fen=0, due_fen=total, prepaid_fen=0, receivable_fen=total, credited_fen=0)
    made = facts.Settlement(
        id=UUID(int=1), settlement_no="JS0126110001", order_id=UUID(int=2), order_no="TJ1", order_name="第一批", organization="某厂",
        kind=facts.SettlementKind.FINAL, state=facts.SettlementState.APPROVED, until_on=None, basis=facts.Basis("checked_in", "item"), sums=sums,
        adjustments=(), paid_fen=0, line_count=2400, member_count=200, remark="", proposed_at=at, proposed_by=None, proposed_name="宁雅琴",
        approved_at=at, approved_name="甘立新", ended_at=None, ended_name="", ended_reason="", paid_at=None, ver=1,
    )  # fmt: skip
    content = statement_paper.statement_pdf(
        statement.Statement(made, (statement.CohortPart("全体", members, total),), "体检中心", at)
    )
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]
    assert len(pages) > 5 and all("体检日期" in page for page in pages[:-1])
    found = re.findall(r"^(\d{16})$|^(\d+\.\d\d)$", "\n".join(pages), re.MULTILINE)
    numbers = [number for number, _ in found if number]
    assert numbers == [each.visit_no for each in members]
    amounts = [int(amount.replace(".", "")) for _, amount in found if amount]
    assert all(each.amount_fen in amounts for each in members) and amounts.count(total) >= 2


def test_lists_pages_and_workbooks(desk: Desk, house: House, round_: Round, acting: Acting) -> None:
    settlement_id = approved(house, acting, round_)
    transferred(house, acting, 12345, payer="无名商行", reference="B77")
    deng = desk("deng")
    number = row_of(house, acting, settlement_id).settlement_no
    assert number in deng.get("/settlements").text
    assert number in deng.get(f"/settlements?tab=all&q={number[-4:]}&since=2026-11-01&until=2026-11-30").text
    assert number not in deng.get("/settlements?tab=paid").text
    assert "第一批" in deng.get("/settlements/unsettled?q=机械").text
    page = deng.get("/settlements/arrears").text
    assert "桂林机械厂1X" in page and "1143.12" in page and "123.45" in page
    assert number in deng.get(f"/settlements/arrears?organization={round_.organization_id}&age=0").text
    assert number not in deng.get(f"/settlements/arrears?organization={round_.organization_id}&age=3").text
    assert "无名商行" in deng.get("/settlements/transfers").text
    assert "韦" in deng.get(f"/settlements/{settlement_id}?q=E0001").text
    for url, words in (
        ("/settlements/export", number), ("/settlements/unsettled/export", "第一批"), ("/settlements/arrears/export", "桂林机械厂1X"),
        ("/settlements/transfers/export", "B77"),
    ):  # fmt: skip
        book = CalamineWorkbook.from_filelike(io.BytesIO(deng.get(url).content))
        assert any(words in map(str, row) for row in book.get_sheet_by_index(0).to_python()), url
    assert deng.get("/settlements?since=gestern").status_code == 422


def test_who_may_only_read_sees_no_acts_and_who_may_not_sees_nothing(
    desk: Desk, house: House, round_: Round, acting: Acting
) -> None:
    settlement_id = propose(house, acting, round_)
    chen = desk("chen")
    page = chen.get(f"/settlements/{settlement_id}").text
    assert "审核通过" not in page and 'data-dialog="return"' not in page
    assert chen.htmx(f"/settlements/{settlement_id}/approve").status_code in (403, 409)
    assert chen.get(f"/group-orders/{round_.order_id}/settlements/draft").status_code == 403
    assert desk("wu").get("/settlements").status_code == 403
    with house.unit(acting("ning"), write=False) as db:
        assert settling.get_row(db, settlement_id).state == "proposed"


def test_a_bank_statement_is_imported_whole_or_not_at_all(desk: Desk, house: House, acting: Acting) -> None:
    deng = desk("deng")
    transferred(house, acting, 100, payer="老客户", reference="F1")

    def send(rows: list[list[Any]], name: str = "流水.xlsx") -> Any:
        return deng.htmx("/settlements/transfers/import", {}, files={"file": (name, xlsx(rows))})

    good = [
        ["某银行对账单"], HEADER, ["2026-11-20", "桂林机械厂", 12345.67, "", "F2", "体检费"], ["2026-11-20", "老客户", "1.00", "", "F1", ""],
        ["2026-11-20", "某供应商", "", 500, "F3", "付款"],
    ]  # fmt: skip
    bad = send([*good, ["某天", "乙厂", "12.345", "", "F4", ""], ["2026-11-19", "丙厂", "十元", "", "F5", ""]])
    assert bad.status_code == 422 and "A6" not in bad.text.replace("C6", "") and "C6" in bad.text and "C7" in bad.text
    with house.unit(acting("deng"), write=False) as db:
        assert transfers.find(db, "all").total == 1
    done = send(good)
    assert done.status_code == 200, done.text
    with house.unit(acting("deng"), write=False) as db:
        found = transfers.find(db, "all", "桂林")
        assert [(each.amount_fen, each.bank_reference, each.remark) for each in found.transfers] == [(1234567, "F2", "体检费")]
        assert transfers.find(db, "all").total == 2
    missing = send([["日期", "户名", "金额"], ["2026-11-20", "甲", 1]])
    assert missing.status_code == 409 and "流水号" in missing.text
    lost = send([HEADER, ["2026-11-20", "甲", 1, "", 1234567890123456789, ""]])
    assert lost.status_code == 422 and "末几位" in lost.text


def test_names_never_become_markup(desk: Desk, house: House, acting: Acting) -> None:
    nasty = "<script>alert(1)</script>"
    transfer_id = transferred(house, acting, 100, payer=nasty, reference='"><b>')
    deng = desk("deng")
    for url in (
        "/settlements/transfers",
        f"/settlements/transfers/{transfer_id}",
        f"/settlements/transfers?q={nasty}",
        f"/settlements?q={nasty}",
    ):
        assert nasty not in deng.get(url).text, url


def test_money_at_the_desk_for_a_settlement(desk: Desk, house: House, round_: Round, acting: Acting) -> None:
    settlement_id = approved(house, acting, round_)
    deng = desk("deng")
    page = deng.get(f"/settlements/{settlement_id}").text
    wrong = (
        ("wechat", "1", "请选择收款方式"), ("cash", "1143.13", "超过该结算单待收"), ("cash", "0", "大于零"), ("bank_card", "1", "凭证号"),
    )  # fmt: skip
    for method, amount, told in wrong:
        refused = deng.htmx(f"/settlements/{settlement_id}/pay", {"amount": amount, "method": method, "key": key_of(page)})
        assert refused.status_code in (409, 422) and told in refused.text, told
    paid = deng.htmx(f"/settlements/{settlement_id}/pay", {"amount": "1143.12", "method": "cash", "key": key_of(page)})
    assert paid.status_code == 200, paid.text
    assert "已结清" in deng.get(f"/settlements/{settlement_id}").text
    assert sound(house) == []
