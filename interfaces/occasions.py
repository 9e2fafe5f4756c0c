"""Which events of the house people are written to about. In the same transaction: an SMS for each booking, or neither."""

from __future__ import annotations

from sqlalchemy.orm import Session

from exam.messages import service as messages
from exam.messages.facts import Occasion
from exam.visits import service as visits
from exam.visits.facts import Milestone, MilestoneReached
from registration.facts import VisitMoved
from reporting.facts import ReportIssued, ReportRecalled


def on_milestone(db: Session, event: MilestoneReached) -> None:
    """A booking is confirmed to the person; what waits for a visit that was cancelled is taken back."""
    if event.milestone == Milestone.BOOKED and not event.undone:
        _write(db, Occasion.BOOKED, event)
    elif event.milestone == Milestone.CANCELLED and not event.undone:
        messages.withdraw(db, event.visit_id, Occasion.BOOKED, "cancelled")


def on_visit_moved(db: Session, event: VisitMoved) -> None:
    """A moved visit: the old day's SMS is taken back if it did not go out, and the new day is told."""
    messages.withdraw(db, event.visit_id, Occasion.BOOKED, "moved")
    _write(db, Occasion.BOOKED, event)


def on_report_issued(db: Session, event: ReportIssued) -> None:
    """The report is ready."""
    _write(db, Occasion.REPORT_READY, event)


def on_report_recalled(db: Session, event: ReportRecalled) -> None:
    """Nobody is told any more that a recalled report is ready."""
    messages.withdraw(db, event.visit_id, Occasion.REPORT_READY, "recalled")


def _write(db: Session, occasion: Occasion, event: MilestoneReached | VisitMoved | ReportIssued) -> None:
    visit = visits.get_row(db, event.visit_id)
    messages.queue(db, occasion, visit.person_id, messages.About(visit.id, visit.visit_no, visit.exam_on))
