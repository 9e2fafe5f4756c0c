"""What an auditor is shown of the rows that an act wrote: every table by its name, and nobody's health."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Text, select

from billing.card_facts import CardAct
from chief_review.push_facts import PUSH_FACT_NAMES
from critical_values.facts import STEP_NAMES, Dismissed
from exam.kit.audit import Audit
from exam.kit.db import Model
from exam.kit.house import House
from exam.kit.module import load
from exam.settings import CORE
from exam.staff.audit_pages import ACTS
from exam.staff.audit_rows import HEALTH, TABLE_NAMES
from group_orders.tasks import TASK_NAMES
from registration.recheck_facts import RECHECK_FACT_NAMES
from tests.conftest import Desk, actor_named
from tests.critical_values.cases import only, taken, with_rule
from tests.results.cases import arrive, enter

SHOWN = {
    "exam_audit": {"reason", "rows"}, "exam_catalog_entry": {"body"}, "exam_knowledge_approval": {"note"},
    "exam_knowledge_rule": {"body", "reason"}, "exam_milestone": {"reason"}, "exam_recovery": {"reason"},
    "exam_signature_picture_withdrawal": {"reason"}, "exam_tube_fact": {"reason"}, "registration_consent_text": {"body"},
    "results_version": {"reason"}, "chief_review_version": {"reason"}, "chief_review_signature": {"reason"},
    "reporting_fact": {"reason"}, "billing_day_close": {"statement"}, "billing_centre_close": {"statement"},
    "exam_calendar_year": {"days", "reason"}, "exam_staff_practice": {"source"}, "group_orders_terms": {"offer"},
    "reporting_indicator_figure": {"source"},
}  # fmt: skip
"""The texts that an auditor may read: what was decided and why, and the hospital's own rules. Another one is hidden, or listed here."""


def test_every_table_that_the_audit_names_has_a_name_in_words_and_hides_its_texts(house: House) -> None:
    ours = [mapper.class_ for mapper in Model.registry.mappers if not mapper.class_.__tablename__.startswith("dummy")]
    audited = {each.__tablename__ for each in ours if each.__audited__}
    assert audited - set(TABLE_NAMES) - {"exam_audit"} == set()
    facts = [each.__table__ for each in ours if each.__append_only__]
    texts = {table.name: {column.key for column in table.c if isinstance(column.type, Text)} - HEALTH.get(table.name, set()) for table in facts}
    assert {name: found - SHOWN.get(name, set()) for name, found in texts.items() if found - SHOWN.get(name, set())} == {}


def test_an_auditor_sees_that_there_is_an_alert_and_not_what_was_found(house: House, desk: Callable[[str], Desk]) -> None:
    with_rule(house)
    visit_id = arrive(house, actor_named(house, "lin"))
    enter(house, actor_named(house, "wu"), visit_id, TEMP="41.2")
    alert = only(house, actor_named(house, "wu"), visit_id)
    taken(house, actor_named(house, "he"), alert, Dismissed("体温计故障,复测 36.5"))
    with house.unit(None, write=False) as db:
        acts = db.execute(select(Audit.writer, Audit.seq).where(Audit.rows.contains("critical_values_", autoescape=True))).all()
    assert len(acts) == 2
    auditor = desk("audit")
    for act in acts:
        page = auditor.get(f"/audit/acts/{act.writer}/{act.seq}").text
        assert "危急值" in page and "健康信息" in page and "与记录一致" in page
        assert "41.2" not in page and "超高热" not in page and "急诊科" not in page and "T-TEMP" not in page


ROOT = Path(__file__).parents[2]
BY_KIND = {
    "critical_values.{board": ("critical_values.", tuple(STEP_NAMES)),
    "chief_review.push_{kind": ("chief_review.push_", tuple(PUSH_FACT_NAMES)),
    "registration.recheck_{kind": ("registration.recheck_", tuple(RECHECK_FACT_NAMES)),
    "people.reveal_{field": ("people.reveal_", ("phone", "id_no", "address")),
    "billing.card_{kind.value": ("billing.card_", tuple(CardAct)),
    "group_orders.{action": ("group_orders.", ("return", "open", "reopen", "archive", "cancel_task", "resume_task")),
    "group_orders.{kind": ("group_orders.", tuple(TASK_NAMES)),
    "group_orders.{row.kind": ("group_orders.", tuple(f"{kind}_{end}" for kind in TASK_NAMES for end in ("part", "refused", "done"))),
}
"""Acts whose last part is the kind of a fact, by the beginning of the text that names them."""


def test_every_act_has_a_name_in_the_auditors_words() -> None:
    written = r'audit\.(?:note|read)\(\s*db,\s*f?"([a-z_]+\.[a-z_.{]+)'
    acts = {found for room in CORE for path in (ROOT / room).rglob("*.py") for found in re.findall(written, path.read_text(encoding="utf-8"))}
    assert len(acts) > 80
    named = {*ACTS, *load(CORE).permissions}
    spelled = {act for act in acts if "{" not in act}
    patterns = {act.partition(".kind_of")[0] for act in acts - spelled}
    assert patterns <= set(BY_KIND)
    spelled |= {f"{start}{kind}" for start, kinds in BY_KIND.values() for kind in kinds}
    assert sorted(spelled - named) == []
