"""What must hold of group orders: every member's visit is theirs, and nobody stands twice on one list."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exam.kit.module import Invariant
from exam.visits.facts import VisitState
from exam.visits.models import Visit, VisitBoard
from group_orders.models import Cohort, CohortTerms, GroupOrder, Member


def members_have_their_visits(db: Session) -> Iterator[str]:
    """A member's visit is that person's, of that organisation; who left has a cancelled one, who is listed waits on this list."""
    rows = db.execute(
        select(Member.id, Member.left_at, Member.person_id, Visit.person_id.label("of"), VisitBoard.state, Visit.organization_id,
               GroupOrder.organization_id.label("ordered_by"))
        .join(Visit, Visit.id == Member.visit_id)
        .join(VisitBoard, VisitBoard.visit_id == Member.visit_id)
        .join(GroupOrder, GroupOrder.id == Member.order_id)
        .execution_options(yield_per=5000)
    )  # fmt: skip
    for row in rows:
        if row.person_id != row.of:
            yield f"member {row.id}: the visit is another person's"
        if row.organization_id != row.ordered_by:
            yield f"member {row.id}: the visit names another organisation"
        if row.left_at is not None and row.state != VisitState.CANCELLED:
            yield f"member {row.id}: left the list, the visit is {row.state}"


def listed_visits_have_members(db: Session) -> Iterator[str]:
    """A visit that waits without a day is on some round's list."""
    is_listed = select(Member.id).where(Member.visit_id == VisitBoard.visit_id, Member.left_at.is_(None)).exists()
    for visit_id in db.scalars(select(VisitBoard.visit_id).where(VisitBoard.state == VisitState.LISTED, ~is_listed)):
        yield f"visit {visit_id}: is listed, no list knows it"


def terms_fit_cohorts(db: Session) -> Iterator[str]:
    """A member's terms are a version of their cohort's, the cohort is of their round, and versions are numbered 1, 2, 3 …"""
    strange = (
        select(Member.id)
        .join(CohortTerms, CohortTerms.id == Member.terms_id)
        .join(Cohort, Cohort.id == Member.cohort_id)
        .where((CohortTerms.cohort_id != Member.cohort_id) | (Cohort.order_id != Member.order_id))
    )
    for member_id in db.scalars(strange):
        yield f"member {member_id}: the terms are another cohort's"
    counts = select(CohortTerms.cohort_id, func.count(), func.max(CohortTerms.revision)).group_by(CohortTerms.cohort_id)
    for cohort_id, count, last in db.execute(counts):
        if count != last:
            yield f"cohort {cohort_id}: has {count} versions, the last is {last}"


INVARIANTS = (
    Invariant("members have their own visits", members_have_their_visits),
    Invariant("a listed visit is on a list", listed_visits_have_members),
    Invariant("members' terms are their cohort's", terms_fit_cohorts),
)
