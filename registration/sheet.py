"""One visit as its page shows it: card, money, lines, tubes, prints and what happened to it, in a fixed number of statements."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from billing import service as billing
from billing.facts import Balance, Payment, Refund
from exam.kit import audit
from exam.kit.clock import day_of
from exam.people import service as people
from exam.people.facts import Person
from exam.visits import orders, tubes
from exam.visits import service as visits
from exam.visits.facts import BEGUN, LineState, Milestone, OrderLine, TubeCard, VisitCard
from registration import consents, printing, rules, service, steps
from registration.facts import ConsentAsked, Printable
from registration.steps import Step


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
    def has_begun(self) -> bool:
        """Whether something of the order was done: services (venipuncture, chief review) are then rendered with it (T7)."""
        return any(line.state in BEGUN for line in self.lines)

    @property
    def has_charged_refusal(self) -> bool:
        """Whether a line that will not be examined still costs something (domain.md T8: the charge follows the contract)."""
        return any(line.state == LineState.REFUSED and line.price_fen for line in self.lines)

    def was_returned_by(self, staff_id: UUID | None) -> bool:
        """Whether this person took the guide sheet back today, and it was not given back since."""
        returned = [step for step in self.steps if step.milestone == Milestone.SHEET_RETURNED and not (step.is_undoing or step.was_undone)]
        return any(step.actor_id == staff_id and day_of(step.at) == self.today for step in returned)

    @property
    def is_checked_in(self) -> bool:
        """Whether the person has arrived."""
        return self.card.checked_in_at is not None


def visit_sheet(db: Session, visit_no: str) -> VisitSheet:
    """A visit's page. The reading is audited and durable before the answer leaves."""
    card = visits.card_of(db, visit_no)
    audit.read(db, "registration.read_visit", f"visit:{card.visit_no}")
    catalogue = visits.catalogue_of(db, card)
    lines, cards = orders.lines(db, card.id), tubes.of_visit(db, card.id)
    account = billing.account(db, card.id)
    return VisitSheet(
        card=card, person=people.person(db, card.person_id),
        departments={code: department.name for code, department in catalogue.departments.items()},
        lines=lines, balance=account.balance, payments=account.payments, refunds=account.refunds, tubes=cards,
        printables=printing.printables_of(db, card, lines, cards),
        steps=steps.of_visit(db, card.id, account), consent=consents.asked_of(db, card, lines), today=service.today_of(db),
    )  # fmt: skip
