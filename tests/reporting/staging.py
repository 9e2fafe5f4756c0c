"""A visit that is finally reviewed, with results and a review handed over by the rooms below as their facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from chief_review import service as reviews
from chief_review.facts import ConclusionLine, Review, ReviewState, Signature
from exam.kit.house import Actor, House
from exam.knowledge.facts import Because, Case, Flag, Reading, Severity, Subject
from exam.people import service as people
from exam.people.facts import NewPerson
from exam.staff.models import Staff
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import Milestone, Progress
from reporting import queries
from reporting.facts import RecordVersion
from reporting.models import Version
from results import service as results
from results.facts import DepartmentResult, RecordState
from results.queries import Examined

TODAY = date(2026, 11, 21)
SIGNED_AT = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
Acting = Callable[[str], Actor]

READINGS = (
    Reading("WBC", "白细胞计数", "6.42", number=Decimal("6.42"), unit="10*9/L", flag=Flag.NORMAL, range_text="3.5–9.5", decimals=2),
    Reading("ALT", "丙氨酸氨基转移酶", "62", number=Decimal(62), unit="U/L", flag=Flag.HIGH, range_text="9–50"),
)
HBSAG = Reading("HBSAG", "乙肝表面抗原", "阳性", choices=("阳性",), flag=Flag.ABNORMAL, abnormal=("阳性",))


def laboratory(*readings: Reading, summary: str = "", version: int = 2) -> DepartmentResult:
    """The laboratory's part."""
    return DepartmentResult(
        "LAB", "检验科", "lab", RecordState.LOCKED, version, readings, (), summary, None, "农秋月", SIGNED_AT,
        tuple(reading.item for reading in readings if reading.item == "HBSAG"),
    )  # fmt: skip


def general(summary: str = "血压正常。", doctor: str = "吴建国") -> DepartmentResult:
    """The first room's part."""
    height = Reading("HT", "身高", "172.0", number=Decimal("172.0"), unit="cm", decimals=1)
    return DepartmentResult(
        "GEN", "一般检查", "manual", RecordState.LOCKED, 1, (height,), (), summary, None, doctor, SIGNED_AT
    )


LIVER = ConclusionLine(
    "r1", "丙氨酸氨基转移酶升高(62 U/L)", severity=Severity.RECHECK, advice="一个月后复查肝功能。", lifestyle="戒酒。",
    specialist="消化内科",
    because=(Because("D40", 1, ("ALT",), ("丙氨酸氨基转移酶 62 U/L ↑",)),), covers=("ALT",),
)  # fmt: skip
HEPATITIS = ConclusionLine("r2", "乙肝表面抗原阳性", severity=Severity.SPECIALIST, advice="感染科就诊。", covers=("HBSAG",))


@dataclass
class Stage:
    """What the rooms below say of every visit; a test changes it as results and reviews would."""

    house: House
    doctors: dict[str, Any] = field(default_factory=dict)
    departments: tuple[DepartmentResult, ...] = (general(), laboratory(*READINGS, HBSAG))
    lines: tuple[ConclusionLine, ...] = (LIVER, HEPATITIS)
    version: int = 1
    signers: tuple[tuple[str, str], ...] = (("first", "he"), ("final", "zhao"))

    def department_results(self, db: Any, visit_id: UUID) -> tuple[DepartmentResult, ...]:
        """Stands in for the results room."""
        visits.card(db, visit_id)
        return self.departments

    def examined(self, db: Any, visit_id: UUID) -> Examined:
        case = Case(Subject("M", 41), TODAY, {})
        return Examined(visits.card(db, visit_id), case, self.department_results(db, visit_id), orders.lines(db, visit_id), {}, None)

    def review(self, db: Any, visit_id: UUID) -> Review:
        """Stands in for the chief review."""
        signatures = tuple(
            Signature(level, self.doctors[login].id, self.doctors[login].name, self.doctors[login].title, SIGNED_AT, "d" * 64)
            for level, login in self.signers
        )
        return Review(visit_id, ReviewState.FINAL, self.version, self.lines, False, "d" * 64, signatures)

    @property
    def manifest(self) -> tuple[RecordVersion, ...]:
        """The record versions as they are now."""
        return tuple(RecordVersion(each.department, each.version) for each in self.departments)

    def of_issued(self, db: Any, said: Any) -> dict[UUID, Any]:
        """The same for every visit that has a report: what a check of the whole database reads of the rooms below."""
        return dict.fromkeys(db.scalars(select(Version.visit_id)), said)


def stage_of(house: House, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Puts the stand-ins in place."""
    stage = Stage(house)
    with house.unit(None, write=False) as db:
        stage.doctors = {row.login: row for row in db.execute(select(Staff.login, Staff.id, Staff.name, Staff.title))}
    monkeypatch.setattr(results, "department_results", stage.department_results)
    monkeypatch.setattr(results, "examined", stage.examined)
    monkeypatch.setattr(reviews, "review", stage.review)
    monkeypatch.setattr(queries, "present_manifests", lambda db, span: stage.of_issued(db, stage.manifest))
    monkeypatch.setattr(queries, "review_versions", lambda db, span: stage.of_issued(db, stage.version))
    return stage


def visit_to(
    house: House, actor: Actor, last: Milestone = Milestone.FINAL_REVIEWED, *, name: str = "韦小明",
    id_no: str = "450110198503150018", package: str = "P02", groups: tuple[str, ...] = ("G050",), category: str = "health",
) -> tuple[UUID, str]:  # fmt: skip
    """A visit that went through the house up to `last`; its id and number."""
    with house.unit(actor) as db:
        person = people.register(db, NewPerson(name=name, id_no=id_no, phone="13800138000"))
        new = visits.NewVisit(person_id=person.person_id, exam_on=TODAY, package=package, groups=groups, category=category)
        visit_id = visits.open_visit(db, new)
        visits.reach(db, visit_id, Milestone.CHECKED_IN)
        ids = [line.id for line in orders.lines(db, visit_id)]
        for kind in (Progress.RESULTED, Progress.CONFIRMED):
            orders.progress(db, visit_id, ids, kind)
        visits.reach(db, visit_id, Milestone.SHEET_RETURNED)
        for milestone in (Milestone.CHIEF_STARTED, Milestone.FIRST_REVIEWED, Milestone.FINAL_REVIEWED):
            visits.reach(db, visit_id, milestone)
            if milestone == last:
                break
        return visit_id, visits.card(db, visit_id).visit_no
