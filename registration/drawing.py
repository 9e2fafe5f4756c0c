"""Blood drawing: scan the guide sheet, scan each tube, take one back. A tube of another person is refused loudly."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.kit import audit, ids
from exam.kit.errors import Refused
from exam.visits import service as visits
from exam.visits import tubes
from exam.visits.facts import TubeCard, TubeEvent, VisitCard, VisitState
from exam.visits.models import TubeLine
from registration import consents, rules

WAITING = (TubeEvent.PLANNED, TubeEvent.PRINTED)


class Drawing(msgspec.Struct, frozen=True):
    """A visit at the drawing chair: what is to be drawn, what was, and the tube that was scanned last."""

    card: VisitCard
    tubes: tuple[TubeCard, ...]
    idle: frozenset[UUID]
    last: TubeCard | None = None
    was_taken_before: bool = False

    @property
    def waiting(self) -> tuple[TubeCard, ...]:
        """Tubes that are still to be drawn."""
        return tuple(tube for tube in self.tubes if tube.state in WAITING and tube.id not in self.idle)

    @property
    def waiting_blood(self) -> tuple[TubeCard, ...]:
        """Blood tubes that are still to be drawn."""
        return tuple(tube for tube in self.waiting if tube.draw_order > 0)

    @property
    def waiting_other(self) -> tuple[str, ...]:
        """Cups and swabs that are still to be handed in, each kind with its number; nobody draws them, but they are scanned too."""
        counts = Counter(tube.name for tube in self.waiting if tube.draw_order == 0)
        return tuple(f"{name} {count} 份" if count > 1 else name for name, count in counts.items())

    @property
    def drawn(self) -> int:
        """How many tubes and other containers are collected or further on."""
        return sum(tube.state not in WAITING for tube in self.tubes)


def drawing_of(db: Session, visit_id: UUID, last: TubeCard | None = None, *, was_taken_before: bool = False) -> Drawing:
    """A visit's tubes as the chair shows them."""
    return Drawing(visits.card(db, visit_id), tubes.of_visit(db, visit_id), tubes.idle(db, visit_id), last, was_taken_before)


def scan(db: Session, code: str, open_visit_no: str = "") -> Drawing:
    """One scan at the chair: a guide sheet opens its visit, a tube is collected for the visit that is open.

    A tube is refused while no sheet was scanned, and always when it is another person's.
    """
    visit_no, tube_number = ids.read_barcode(code, "code")
    if tube_number is None:
        visit_id = visits.find_id(db, visit_no)
        card = visits.card(db, visit_id)
        _require_here(card)
        audit.note(db, "registration.open_drawing", subject=f"visit:{card.visit_no}")
        return drawing_of(db, visit_id)
    if not open_visit_no:
        raise Refused("registration.no_open_visit", "尚未扫描导检单,不能采集试管", "请先扫描受检者的导检单条码,再逐管扫描", "code")
    opened = visits.card(db, visits.find_id(db, open_visit_no))
    if visit_no != opened.visit_no:
        raise Refused(
            "registration.wrong_person",
            f"试管不是 {opened.person_name} 的(当前体检号尾号 {opened.visit_no[-6:]},试管所属尾号 {visit_no[-6:]})",
            "立即停止采集,核对受检者姓名、导检单与试管标签",
            "code",
        )
    return collect(db, opened.id, code)


def _require_here(card: VisitCard) -> None:
    if card.state == VisitState.CANCELLED:
        raise Refused("registration.cancelled", "该体检单已取消", "请受检者到前台核对", "code")
    if card.checked_in_at is None:
        raise Refused("registration.not_checked_in", f"{card.person_name} 尚未报到,不能采血", "请受检者先到前台报到", "code")


def collect(db: Session, visit_id: UUID, barcode: str) -> Drawing:
    """Collects one tube of this visit (T5). Scanning it again changes nothing and says so."""
    _require_here(visits.card(db, visit_id))
    visit_no, number = ids.read_barcode(barcode, "code")
    plain = ids.tube_barcode(visit_no, number) if number else ""
    before = next((tube for tube in tubes.of_visit(db, visit_id) if tube.barcode == plain), None)
    if before is not None and before.id in tubes.idle(db, visit_id):
        raise Refused(
            "registration.tube_not_needed", f"“{before.name}”的项目均已拒检或退项,无需采集", "请勿采集该管,并废弃标签", "code"
        )
    if before is not None and before.state in WAITING:
        _require_no_withdrawal(db, visit_id, before)
    last = tubes.collect(db, visit_id, barcode)
    return drawing_of(db, visit_id, last, was_taken_before=before is not None and before.state == TubeEvent.COLLECTED)


def _require_no_withdrawal(db: Session, visit_id: UUID, tube: TubeCard) -> None:
    """Refuses a tube for a private item that is still to be done, although the person took the consent back.

    The refusal names no item: the screen can be read from the chairs around.
    """
    if not consents.was_withdrawn(db, visit_id):
        return
    in_tube = set(db.scalars(select(TubeLine.line_id).where(TubeLine.tube_id == tube.id)))
    lines = consents.unsigned_lines(db, visit_id)
    if any(line.id in in_tube and line.state in rules.TO_BE_DONE for line in lines):
        raise Refused(
            "registration.consent_withdrawn",
            f"“{tube.name}”中有隐私项目,受检者已撤回知情同意,不能采集",
            "请勿采集该管;请受检者到前台将该项目记为拒检,或重新签署知情同意书",
            "code",
        )


def undo(db: Session, visit_id: UUID, barcode: str, reason: str) -> Drawing:
    """Takes a collection back while the tube was not sent (T5)."""
    tubes.undo_collect(db, visit_id, barcode, rules.require_reason(reason, "撤销采集"))
    return drawing_of(db, visit_id)
