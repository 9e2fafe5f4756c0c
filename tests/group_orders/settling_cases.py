"""A round whose members have come, and its settlements made and approved, for the tests of settling."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from billing import transfers
from billing.transfer_facts import NewTransfer
from exam import commands
from exam.kit.house import House
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import LineState, Progress, VisitState
from group_orders import service, settling
from group_orders.models import Member
from group_orders.settlement_facts import SettlementKind
from group_orders.settlement_models import SettlementRow
from registration import service as desk
from registration.facts import WalkIn
from tests.group_orders.cases import Acting, Round, draft

INTERIM, FINAL, SUPPLEMENT = SettlementKind


def sound(house: House) -> list[tuple[str, list[str]]]:
    """Every invariant that does not hold."""
    return [(name, list(found)) for name, found in commands.breaches_of(house) if found]


def come(house: House, acting: Acting, member_id: UUID, n: int, *, sex: str = "M", refused: int = 0) -> UUID:
    """The n-th member comes, pays their own part and has everything done but the last `refused` lines; their visit."""
    known = draft(n, UUID(int=0), sex=sex)
    with house.unit(acting("lin")) as db:
        visit_id = db.get_one(Member, member_id).visit_id
        assert desk.walk_in(db, WalkIn(name=known.name, id_no=known.id_no)).visit_id == visit_id
    with house.unit(acting("lin")) as db:
        due = visits.card(db, visit_id).amount_due_fen
        if due:
            desk.pay(db, visit_id, due, "A0001")
        desk.check_in(db, visit_id)
    with house.unit(acting("wu")) as db:
        open_lines = [line for line in orders.lines(db, visit_id) if not line.service_only and line.state is LineState.PENDING]
        for line in open_lines[: len(open_lines) - refused]:
            orders.progress(db, visit_id, [line.id], Progress.STARTED)
            orders.progress(db, visit_id, [line.id], Progress.RESULTED)
    if refused:
        with house.unit(acting("lin")) as db:
            desk.refuse_line(db, visit_id, [line.id for line in open_lines[-refused:]], "本人拒检")
    return visit_id


def hand_in(house: House, acting: Acting, visit_ids: list[UUID]) -> None:
    """The guide sheets come back, so that the round may be completed."""
    for visit_id in visit_ids:
        with house.unit(acting("lin")) as db:
            desk.return_sheet(db, visit_id)
            assert visits.card(db, visit_id).state in (VisitState.SHEET_RETURNED, VisitState.SECTIONS_DONE)


def complete(house: House, acting: Acting, round_: Round) -> None:
    """The round is over."""
    with house.unit(acting("gan")) as db:
        service.complete(db, round_.order_id, "体检结束")


def propose(
    house: House, acting: Acting, round_: Round, kind: SettlementKind = INTERIM, *, until: date | None = None, prepaid: int | None = None
) -> UUID:  # fmt: skip
    """ning proposes what she sees."""
    with house.unit(acting("ning"), write=False) as db:
        digest = settling.preview(db, round_.order_id, kind, until).digest
    with house.unit(acting("ning")) as db:
        return settling.propose(db, round_.order_id, kind, until, digest, prepaid)


def approved(house: House, acting: Acting, round_: Round, kind: SettlementKind = INTERIM, **more: object) -> UUID:
    """ning proposes, gan approves."""
    settlement_id = propose(house, acting, round_, kind, **more)  # type: ignore[arg-type]
    with house.unit(acting("gan")) as db:
        settling.approve(db, settlement_id)
    return settlement_id


def row_of(house: House, acting: Acting, settlement_id: UUID) -> SettlementRow:
    """The settlement as it stands."""
    with house.unit(acting("ning"), write=False) as db:
        row = settling.get_row(db, settlement_id)
        db.expunge(row)
        return row


def transferred(house: House, acting: Acting, amount_fen: int, payer: str = "桂林机械厂1X有限公司", reference: str = "") -> UUID:
    """Money came in on the bank account."""
    with house.unit(acting("deng")) as db:
        new = NewTransfer(amount_fen=amount_fen, payer_name=payer, received_on=date(2026, 11, 21), bank_reference=reference)
        return transfers.record(db, new)
