"""One visit as its page shows it: card, money, lines, tubes, prints and the line of milestones, in a fixed number of statements."""

from __future__ import annotations

from datetime import date, datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import service as billing
from billing.facts import Balance, Payment, Refund
from exam.kit import audit
from exam.people import service as people
from exam.people.facts import Person
from exam.staff.models import Staff
from exam.visits import orders, tubes
from exam.visits import service as visits
from exam.visits.facts import LineState, Milestone, OrderLine, TubeCard, VisitCard
from exam.visits.models import VisitMilestone
from registration import consents, printing, rules, service
from registration.facts import ConsentAsked, Printable

MILESTONE_NAMES = {
    Milestone.BOOKED: "预约",
    Milestone.REGISTERED: "登记",
    Milestone.CHECKED_IN: "报到",
    Milestone.SHEET_RETURNED: "交单",
    Milestone.SECTIONS_DONE: "分科完成",
    Milestone.CHIEF_STARTED: "开始主检",
    Milestone.FIRST_REVIEWED: "初审",
    Milestone.FINAL_REVIEWED: "终审",
    Milestone.REPORT_ISSUED: "报告发布",
    Milestone.REPORT_RECALLED: "报告撤回",
    Milestone.DELIVERED: "报告领取",
    Milestone.CANCELLED: "取消登记",
}


class Step(msgspec.Struct, frozen=True):
    """One milestone, or the undoing of one, with who did it."""

    name: str
    at: datetime
    actor: str
    reason: str
    is_undoing: bool
    was_undone: bool


class VisitSheet(msgspec.Struct, frozen=True):
    """Everything the desk sees of one visit."""

    card: VisitCard
    person: Person
    departments: dict[str, str]
    lines: tuple[OrderLine, ...]
    balance: Balance
    payments: tuple[Payment, ...]
    refunds: tuple[Refund, ...]
    tubes: tuple[TubeCard, ...]
    printables: tuple[Printable, ...]
    steps: tuple[Step, ...]
    consent: ConsentAsked | None
    today: date

    @property
    def is_today(self) -> bool:
        """Whether this is a visit of today."""
        return self.card.exam_on == self.today

    @property
    def is_order_open(self) -> bool:
        """Whether lines may still be added, refused or taken off."""
        return self.card.state in rules.ORDER_OPEN

    @property
    def active(self) -> tuple[OrderLine, ...]:
        """The lines that were not taken off."""
        return tuple(line for line in self.lines if line.state != LineState.REMOVED)

    @property
    def is_checked_in(self) -> bool:
        """Whether the person has arrived."""
        return self.card.checked_in_at is not None


def visit_sheet(db: Session, visit_no: str) -> VisitSheet:
    """A visit's page. The reading is audited and durable before the answer leaves."""
    visit = service.visit_of(db, visit_no)
    card = visits.card(db, visit.id)
    audit.read(db, "registration.read_visit", f"visit:{card.visit_no}")
    catalogue = visits.catalogue_of(db, visit)
    lines, cards = orders.lines(db, visit.id), tubes.of_visit(db, visit.id)
    account = billing.account(db, visit.id)
    return VisitSheet(
        card=card, person=people.person(db, card.person_id),
        departments={code: department.name for code, department in catalogue.departments.items()},
        lines=lines, balance=account.balance, payments=account.payments, refunds=account.refunds, tubes=cards,
        printables=printing.printables_of(db, card, lines, cards),
        steps=steps(db, card), consent=consents.asked_of(db, card, lines), today=service.today_of(db),
    )  # fmt: skip


def steps(db: Session, card: VisitCard) -> tuple[Step, ...]:
    """A visit's milestones in order, the undone ones marked; one statement."""
    rows = db.execute(
        select(VisitMilestone.id, VisitMilestone.kind, VisitMilestone.undoes, VisitMilestone.at, VisitMilestone.reason, Staff.name)
        .outerjoin(Staff, Staff.id == VisitMilestone.actor_id)
        .where(VisitMilestone.visit_id == card.id)
        .order_by(VisitMilestone.id)
    ).all()
    undone = {row.undoes for row in rows if row.undoes is not None}
    return tuple(
        Step(
            name=MILESTONE_NAMES[Milestone(row.kind)], at=row.at, actor=row.name or "系统", reason=row.reason,
            is_undoing=row.undoes is not None, was_undone=row.id in undone,
        )
        for row in rows
    )  # fmt: skip
