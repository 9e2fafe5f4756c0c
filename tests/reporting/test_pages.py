"""Reports on screen and as JSON, on both databases: who may see what, the files' headers, refusals in Chinese."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest

from exam.kit import jobs
from exam.kit.house import Actor, House
from exam.visits.facts import Milestone
from reporting import service
from reporting.facts import ReportEvent
from reporting.store import store_of
from tests.reporting.staging import Acting, Stage, stage_of, visit_to


@pytest.fixture
def stage(house: House, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The rooms below as stand-ins."""
    return stage_of(house, monkeypatch)


@pytest.fixture
def issued(house: House, acting: Acting, stage: Stage) -> tuple[UUID, str]:
    """A visit with an issued report."""
    found = visit_to(house, acting("lin"))
    with house.unit(acting("zhao")) as db:
        service.issue(db, found[0])
    return found


Opening = Callable[[str], Any]


def test_the_chief_issues_from_the_list_and_sees_the_version(
    house: House, acting: Acting, stage: Stage, desk: Opening
) -> None:
    _, visit_no = visit_to(house, acting("lin"))
    chief = desk("zhao")
    board = chief.get("/reports")
    assert board.status_code == 200
    assert visit_no in board.text and "韦小明" in board.text
    answer = chief.htmx(f"/reports/{visit_no}/issue", {})
    assert answer.headers["hx-redirect"] == f"/reports/{visit_no}"
    page = chief.get(f"/reports/{visit_no}").text
    assert "第 1 版" in page and "已发布" in page and "赵慧敏" in page
    assert visit_no not in chief.get("/reports").text
    assert visit_no in chief.get("/reports?tab=issued").text


def test_a_batch_shows_its_progress_until_everything_is_dealt_with(
    house: House, acting: Acting, stage: Stage, desk: Opening
) -> None:
    _, visit_no = visit_to(house, acting("lin"))
    chief = desk("zhao")
    url = chief.htmx("/reports/issue", {"visit_no": visit_no}).headers["hx-redirect"]
    assert 'hx-trigger="every 1s"' in chief.get(url).text
    jobs.run_jobs(house)
    fragment = chief.get(url, headers={"hx-request": "true"}).text
    assert "已全部处理" in fragment and "hx-trigger" not in fragment and "<html" not in fragment
    refused = chief.htmx("/reports/issue", {})
    assert refused.status_code == 409 and "没有选择" in refused.text


def test_the_preview_is_the_report_on_screen_and_the_supplement_needs_its_own_right(
    house: House, acting: Acting, stage: Stage, desk: Opening
) -> None:
    _, visit_no = visit_to(house, acting("lin"))
    chief, reception = desk("zhao"), desk("lin")
    preview = chief.get(f"/reports/{visit_no}/preview").text
    assert "预览,尚未发布" in preview and "丙氨酸氨基转移酶升高" in preview and "乙肝表面抗原" not in preview
    assert "乙肝表面抗原" in chief.get(f"/reports/{visit_no}/preview?kind=supplement").text
    assert reception.get(f"/reports/{visit_no}/preview").status_code == 200
    assert reception.get(f"/reports/{visit_no}/preview?kind=supplement").status_code == 404


def test_the_preview_leads_from_a_conclusion_to_its_rules_for_who_may_read_them(
    house: House, acting: Acting, stage: Stage, desk: Opening
) -> None:
    _, visit_no = visit_to(house, acting("lin"))
    url, link = f"/reports/{visit_no}/preview", 'href="/knowledge/entries/D40"'
    page = desk("zhao").get(url).text
    assert link in page and "规则 D40 第 1 版</a>(未批准)" in page
    assert link not in desk("lin").get(url).text


def test_the_bare_preview_of_a_published_visit_is_the_version_that_counts(
    house: House, issued: tuple[UUID, str], acting: Acting, desk: Opening
) -> None:
    visit_id, visit_no = issued
    chief, url = desk("zhao"), f"/reports/{visit_no}/preview"
    page = chief.get(url).text
    assert "尚未发布" not in page and "第 1 版" in page and "第 2 版" not in page
    assert f"{url}?version=1&amp;kind=supplement" in page and "乙肝表面抗原" in chief.get(f"{url}?kind=supplement").text
    assert "尚未发布" in chief.get(f"{url}?version=now").text
    with house.unit(acting("zhao")) as db:
        service.add_fact(db, visit_id, 1, ReportEvent.NOT_CURRENT, "检验科 结果更正")
    assert "尚未发布" in chief.get(url).text, "the version that stands is no answer any more"
    with house.unit(acting("zhao")) as db:
        service.recall(db, visit_id, "结论有误")
    page = chief.get(url).text
    assert "尚未发布" in page and "第 2 版" in page


def test_a_summary_of_the_whole_laboratory_has_a_title_and_no_table(
    house: House, acting: Acting, stage: Stage, desk: Opening
) -> None:
    _, visit_no = visit_to(house, acting("lin"))
    page = desk("zhao").get(f"/reports/{visit_no}/preview").text
    own = page[page.index("<h3>检验科小结") :]
    own = own[: own.index("</section>")]
    assert "丙氨酸氨基转移酶 62 U/L" in own and "<table" not in own and "<b>小结</b>" not in own


def test_the_served_file_is_the_stored_one_with_a_safe_name(
    house: House, issued: tuple[UUID, str], desk: Opening, acting: Acting
) -> None:
    visit_id, visit_no = issued
    answer = desk("lin").get(f"/reports/{visit_no}/pdf/1")
    with house.unit(acting("lin"), write=False) as db:
        version = service.versions(db, visit_id)[0]
    assert hashlib.sha256(answer.content).hexdigest() == version.pdf_sha256
    assert answer.headers["content-type"].startswith("application/pdf")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"].startswith("inline; filename=\"download\"; filename*=UTF-8''%E4%BD%93")
    saved = desk("lin").get(f"/reports/{visit_no}/pdf/1?download=1")
    assert saved.headers["content-disposition"].startswith("attachment;")
    assert saved.content == answer.content


@pytest.mark.parametrize("name", ["a\"\r\nX-Evil: 1", "张三\u202efdp.exe", "../../韦", "韦\x00明", "%2e%2e/韦", "=cmd|1"])
def test_no_name_breaks_out_of_the_header_or_hides_the_kind_of_file(name: str) -> None:
    from exam.kit import web

    shown = f"体检报告_{service._in_file_name(name)}_1_第1版.pdf"
    header = web.download(b"", shown, "application/pdf").headers["content-disposition"]
    assert header.isascii() and "\r" not in header and "\n" not in header and header.count('"') == 2
    assert not set(shown[:-4]) & set('"\r\n/\\.\u202e\x00')


def test_a_damaged_file_is_refused_in_chinese_and_the_check_says_so(
    house: House, issued: tuple[UUID, str], desk: Opening, acting: Acting
) -> None:
    visit_id, visit_no = issued
    chief = desk("zhao")
    good = chief.get(f"/reports/{visit_no}/verify/1").text
    assert "签章有效" in good and "演示" in good
    with house.unit(acting("zhao"), write=False) as db:
        path = store_of(house).path_of(service.versions(db, visit_id)[0].pdf_sha256)
    damaged = bytearray(path.read_bytes())
    damaged[100] ^= 1
    path.write_bytes(bytes(damaged))
    for url in (f"/reports/{visit_no}/pdf/1", f"/api/reports/{visit_no}/pdf"):
        answer = chief.get(url)
        assert answer.status_code == 409
        assert "已损坏" in answer.text
    assert "已损坏" in chief.get(f"/reports/{visit_no}/verify/1").text


def test_what_is_not_of_this_site_looks_like_what_is_not_there(
    house: House, issued: tuple[UUID, str], desk: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, visit_no = issued
    chief = desk("zhao")
    random_no = "9901261121000015"
    pages = ("", "/preview", "/pdf/1", "/verify/1", "/supplement/1")
    from sqlalchemy import update

    from exam.visits.models import Visit, VisitBoard

    with house.unit(None) as db:
        db.execute(update(Visit).where(Visit.visit_no == visit_no).values(site="02"))
        db.execute(update(VisitBoard).values(site="02"))
    for page in pages:
        theirs, nobodys = chief.get(f"/reports/{visit_no}{page}"), chief.get(f"/reports/{random_no}{page}")
        assert (theirs.status_code, nobodys.status_code) == (404, 404), page
        assert theirs.text.replace(visit_no, "") == nobodys.text.replace(random_no, "")
    assert chief.get("/reports/nonsense").status_code == 404
    assert chief.get(f"/api/reports/{visit_no}").status_code == 404
    assert visit_no not in chief.get("/reports?tab=issued").text


def test_a_recall_asks_for_its_reason_and_keeps_what_was_typed(
    house: House, issued: tuple[UUID, str], desk: Opening
) -> None:
    _, visit_no = issued
    chief = desk("zhao")
    refused = chief.htmx(f"/reports/{visit_no}/recall", {"reason": " "})
    assert refused.status_code == 409
    assert refused.headers["hx-retarget"] == "#refusal"
    assert "原因" in refused.text
    assert chief.htmx(f"/reports/{visit_no}/recall", {"reason": "结论有误"}).headers["hx-redirect"]
    page = chief.get(f"/reports/{visit_no}").text
    assert "已撤回" in page and "结论有误" in page
    assert "''已撤回_" in unquote(chief.get(f"/reports/{visit_no}/pdf/1").headers["content-disposition"])
    assert "结论有误" in chief.get("/reports?tab=recalled").text
    assert "不是当前报告" in chief.get(f"/reports/{visit_no}/preview?version=1").text


def test_reception_hands_over_but_neither_issues_nor_recalls(house: House, issued: tuple[UUID, str], desk: Opening) -> None:
    _, visit_no = issued
    reception = desk("lin")
    assert reception.post(f"/reports/{visit_no}/recall", {"reason": "x"}).status_code == 403
    assert reception.post(f"/reports/{visit_no}/issue", {}).status_code == 403
    assert reception.get(f"/reports/{visit_no}/supplement/1").status_code == 403
    assert reception.post(f"/reports/{visit_no}/deliver", {"received_by": "本人"}).status_code == 303
    assert "已领取" in reception.get(f"/reports/{visit_no}").text
    assert reception.post(f"/reports/{visit_no}/undo-delivery", {"reason": "登记错人"}).status_code == 303
    assert desk("wu").get("/reports").status_code == 403


def test_the_list_is_exported_as_a_workbook(house: House, issued: tuple[UUID, str], desk: Opening) -> None:
    answer = desk("lin").get("/reports/export?tab=issued")
    assert answer.status_code == 200
    assert answer.content[:2] == b"PK"
    assert answer.headers["content-disposition"].endswith(".xlsx")
    found = desk("lin").post("/reports/export", {"tab": "issued", "q": "韦"})
    assert len(found.content) > len(desk("lin").post("/reports/export", {"tab": "issued", "q": "李"}).content)


def test_a_name_to_look_for_travels_in_the_body_alone(house: House, issued: tuple[UUID, str], desk: Opening) -> None:
    lin, visit_no = desk("lin"), issued[1]
    assert visit_no in lin.get("/reports?tab=issued&q=李").text  # an address is never searched by
    assert visit_no not in lin.post("/reports", {"tab": "issued", "q": "李"}).text
    page = lin.post("/reports", {"tab": "issued", "q": "韦小", "days": "0"}).text
    pager = page[page.index('class="pager"') :]
    assert visit_no in page and 'name="q" value="韦小"' in pager and 'name="days" value="0"' in pager
    assert not re.findall(r'(?:href|action)="[^"]*[?&]q=', page)


def test_a_program_issues_reads_and_recalls(house: House, acting: Acting, stage: Stage, desk: Opening) -> None:
    _, visit_no = visit_to(house, acting("lin"))
    chief = desk("zhao")
    assert chief.get(f"/api/reports/{visit_no}").json()["current"] == 0
    assert chief.get(f"/api/reports/{visit_no}/pdf").status_code == 404
    assert chief.post(f"/api/reports/{visit_no}/issue").json() == {"number": 1, "missing_characters": ""}
    report = chief.get(f"/api/reports/{visit_no}").json()
    content = chief.get(f"/api/reports/{visit_no}/pdf").content
    assert report["versions"][0]["pdf_sha256"] == hashlib.sha256(content).hexdigest()
    problem = chief.post(f"/api/reports/{visit_no}/issue")
    assert (problem.status_code, problem.json()["type"]) == (409, "reporting.issued_already")
    assert chief.post(f"/api/reports/{visit_no}/recall", json={"reason": "结论有误", "more": 1}).status_code == 400
    assert chief.post(f"/api/reports/{visit_no}/recall", json={"reason": "结论有误"}).json() == {"number": 1}
    assert chief.get(f"/api/reports/{visit_no}/pdf").status_code == 404


def test_hostile_clinical_text_is_text_on_the_preview(
    house: House, acting: Acting, stage: Stage, desk: Opening
) -> None:
    from tests.reporting.staging import general

    stage.departments = (general(summary="WBC < 3.5 <script>alert(1)</script> {{7*7}}"),)
    _, visit_no = visit_to(house, acting("lin"), Milestone.FIRST_REVIEWED, groups=())
    page = desk("zhao").get(f"/reports/{visit_no}/preview").text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{7*7}}" in page
    assert 'action="/reports' not in page.replace('action="/registration/find"', "")


def test_reading_a_report_is_written_to_the_audit(house: House, issued: tuple[UUID, str], desk: Opening) -> None:
    from sqlalchemy import select

    from exam.kit.audit import Audit

    _, visit_no = issued
    reception = desk("lin")
    reception.get(f"/reports/{visit_no}")
    reception.get(f"/reports/{visit_no}/pdf/1")
    with house.unit(None, write=False) as db:
        acts = set(db.scalars(select(Audit.act).where(Audit.subject == f"visit:{visit_no}", Audit.actor == "lin")))
    assert {"reporting.read_report", "reporting.read_file"} <= acts


def test_the_chiefs_desk_is_offered_the_preview(house: House, issued: tuple[UUID, str], acting: Acting, stage: Stage) -> None:
    from exam.visits import service as visits
    from reporting.pages import review_panel

    visit_id, visit_no = issued
    zhao: Actor = acting("zhao")
    with house.unit(zhao, write=False) as db:
        panel = review_panel(db, visits.card(db, visit_id), stage.review(db, visit_id))
    assert panel is not None
    assert panel.links[0].url == f"/reports/{visit_no}/preview"
    assert "已发布" in panel.text
