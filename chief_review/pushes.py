"""Pushes to specialists: chosen findings go to a department's list, the person is told, and what came of it is a fact each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session

from chief_review import push_rules
from chief_review.desk import Desk, sit_down
from chief_review.models import PushBoard, PushFact, PushRow
from chief_review.push_facts import (
    MESSAGE,
    NOT_COMING,
    PUSH_FACT_NAMES,
    SEE,
    TELL,
    TOLD_CHANNELS,
    UNDO,
    URGENCY_NAMES,
    VISIT,
    WITHDRAW,
    ChosenFinding,
    FindingsPushed,
    Push,
    PushFinding,
    PushMoved,
    PushOption,
    PushStanding,
    PushState,
    PushStep,
)
from chief_review.rules import require_reason
from critical_values import service as alerts
from exam.kit import audit
from exam.kit.boards import FactBoard
from exam.kit.clock import day_of
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.kit.money import yuan
from exam.knowledge import service as rule_store
from exam.messages import service as messages
from exam.messages.facts import REASONS, DeliveryState, MessageSettled, Occasion
from exam.visits import service as visits

PERMISSION = "chief_review.specialist"
_FINDINGS = tuple[PushFinding, ...]
PUSHES = FactBoard("push", PushRow, PushFact, PushBoard, key="push_id")


# --- pushing ---------------------------------------------------------------------------------------------------------


def options(db: Session, visit_id: UUID) -> tuple[PushOption, ...]:
    """What of a visit may be pushed: its open alerts, then its conclusions, each with the department that it names."""
    return _options(db, sit_down(db, visit_id))


def _options(db: Session, desk: Desk) -> tuple[PushOption, ...]:
    pushed = [each for each in of_visit(db, desk.visit.id) if each.state is not PushState.WITHDRAWN]

    def departments(key: str) -> tuple[str, ...]:
        return tuple(each.specialist for each in pushed if any(one.key == key for one in each.findings))

    private = {item for each in desk.departments for item in each.privacy_items}
    found = [
        PushOption(
            PushFinding(f"alert:{each.id}", each.name, each.evidence), push_rules.first_of(each.specialist), each.is_private,
            departments(f"alert:{each.id}"),
        )
        for each in alerts.alerts_of_visit(db, desk.visit.id) if each.is_open
    ]  # fmt: skip
    for line in desk.body.lines if desk.stored is not None else desk.suggested:
        items = [item for why in line.because for item in why.items]
        evidence = tuple(dict.fromkeys(text for why in line.because for text in why.evidence))
        finding = PushFinding(line.key, line.text, evidence)
        found.append(
            PushOption(finding, push_rules.first_of(line.specialist), not private.isdisjoint(items), departments(line.key))
        )
    return tuple(found)


def push(
    db: Session, visit_id: UUID, chosen: Sequence[ChosenFinding], *, urgency: str = "routine", note: str = "", is_told: bool = True
) -> tuple[UUID, ...]:  # fmt: skip
    """Pushes the chosen findings: one push for each department. With `is_told` the person gets an SMS to see it.

    What stands in a department's list already does not go there twice.
    """
    if urgency not in URGENCY_NAMES:
        raise Refused("chief_review.urgency", "不能识别的紧急程度", "请从列表中选择", "urgency")
    note = push_rules.read_text(note, "备注", "note")
    desk = sit_down(db, visit_id, lock=True)
    by_key = {each.finding.key: each for each in _options(db, desk)}
    parted: dict[str, list[PushOption]] = {}
    for each in chosen:
        option = by_key.get(each.key)
        if option is None:
            raise Refused("chief_review.unknown_line", "所选发现中有一条已不存在", "请刷新页面后重新选择", "chosen")
        specialist = push_rules.read_specialist(each.specialist, option.finding.text)
        if specialist not in option.pushed_to:
            parted.setdefault(specialist, []).append(option)
    if not parted:
        text = "没有勾选要推送的发现" if not chosen else "所选发现已推送过同一科室"
        raise Refused("chief_review.nothing_to_push", text, "请勾选发现并核对就诊科室", "chosen")
    pushed = tuple(_push(db, desk, specialist, listed, urgency, note) for specialist, listed in parted.items())
    if is_told:
        for push_id in pushed:
            tell_by_sms(db, push_id)
    return pushed


def _push(db: Session, desk: Desk, specialist: str, listed: Sequence[PushOption], urgency: str, note: str) -> UUID:
    house, actor, visit = house_of(db), actor_of(db), desk.visit
    push_id = house.ids.new()
    row: dict[str, Any] = {
        "id": push_id, "site": visit.site, "visit_id": visit.id, "specialist": specialist,
        "findings": msgspec.json.encode([each.finding for each in listed]).decode(), "urgency": urgency, "note": note,
        "is_private": any(each.is_private for each in listed), "pushed_by": actor.staff_id, "pushed_name": actor.name,
        "pushed_at": house.clock.now(),
    }  # fmt: skip
    PUSHES.open(db, [(row, told(PushStanding()))])
    audit.note(db, "chief_review.push", subject=f"visit:{visit.visit_no}")
    announce(db, FindingsPushed(visit.id, visit.site, push_id))
    return push_id


def told(stands: PushStanding) -> dict[str, Any]:
    """What the board says of a push that stands there."""
    return {**msgspec.structs.asdict(stands), "state": stands.state.value}


# --- the person ------------------------------------------------------------------------------------------------------


def tell_by_sms(db: Session, push_id: UUID) -> Push:
    """Queues an SMS that asks the person to see this department. It says neither value nor disease; what keeps it from being
    sent (consent, phone, gateway) shows in the list of messages."""
    known = _found(db, push_id)
    card = visits.card(db, known.visit_id)
    about = messages.About(
        visit_id=card.id, visit_no=card.visit_no, exam_on=card.exam_on, department=known.specialist,
        may_name_department=not known.is_private,
    )  # fmt: skip
    queued = messages.queue(db, Occasion.ABNORMAL, card.person_id, about)
    held = REASONS.get(queued.why, queued.why) if queued.state is DeliveryState.HELD else ""
    return _add(db, push_id, MESSAGE, channel="sms", message_id=queued.message_id, reason=held)


def on_message_settled(db: Session, event: MessageSettled) -> None:
    """A receipt says that the message arrived: the person was told."""
    if event.occasion is not Occasion.ABNORMAL or event.state is not DeliveryState.DELIVERED:
        return
    push_id = db.scalar(select(PushFact.push_id).where(PushFact.message_id == event.message_id, PushFact.kind == MESSAGE))
    if push_id is not None and push_rules.PUSH.may(_found(db, push_id).state, TELL):
        _add(db, push_id, TELL, channel="sms")


def tell(db: Session, push_id: UUID, channel: str) -> Push:
    """The person was told by telephone or in person; `sms` sends one (again)."""
    if channel not in TOLD_CHANNELS:
        raise Refused("chief_review.channel", "不能识别的告知方式", "请从列表中选择", "channel")
    _own(db, push_id)
    return tell_by_sms(db, push_id) if channel == "sms" else _add(db, push_id, TELL, channel=channel)


# --- what came of it -------------------------------------------------------------------------------------------------


def see(db: Session, push_id: UUID) -> Push:
    """The specialist has read it."""
    _own(db, push_id)
    return _add(db, push_id, SEE)


def record_visit(db: Session, push_id: UUID, diagnosis: str, fee_fen: int | None) -> Push:
    """The person came: what was found, and the fees in fen if known. A further visit adds its fees."""
    _own(db, push_id)
    text = push_rules.read_text(diagnosis, "诊断", "diagnosis")
    if not text:
        raise Refused("chief_review.diagnosis_missing", "没有填写诊断", "请填写就诊诊断;未明确时填写“待查”", "diagnosis")
    return _add(db, push_id, VISIT, diagnosis=text, fee_fen=push_rules.require_fee(fee_fen))


def record_not_coming(db: Session, push_id: UUID, reason: str) -> Push:
    """The person does not come, with the reason."""
    _own(db, push_id)
    return _add(db, push_id, NOT_COMING, reason=require_reason(reason, "未来就诊"))


def undo(db: Session, push_id: UUID, reason: str) -> Push:
    """Takes the last state back."""
    _own(db, push_id)
    return _add(db, push_id, UNDO, reason=require_reason(reason, "撤销"))


def withdraw(db: Session, push_id: UUID, reason: str) -> Push:
    """The chief takes a push back that nobody acted upon yet."""
    return _add(db, push_id, WITHDRAW, reason=require_reason(reason, "撤回推送"))


def _own(db: Session, push_id: UUID) -> Push:
    """A push of a department that the actor serves; any other is not found."""
    known = _found(db, push_id)
    if not actor_of(db).serves(PERMISSION, known.specialist):
        raise NotFound("没有找到该推送", "请从专科名单中选择")
    return known


def _add(db: Session, push_id: UUID, kind: str, **said: Any) -> Push:
    held = PUSHES.hold(db, push_id)
    if held is None:
        raise NotFound("没有找到该推送", "请从专科名单中选择")
    known, now = to_push(held), house_of(db).clock.now()
    stands = push_rules.after(
        known.standing, kind, now, said.get("diagnosis", ""), said.get("fee_fen"), said.get("reason", "")
    )  # fmt: skip
    fact = {"kind": kind, "channel": "", "message_id": None, "diagnosis": "", "fee_fen": None, "reason": "", "at": now, **said}
    PUSHES.add(db, push_id, held.now_facts + 1, fact, told(stands))
    audit.note(db, f"chief_review.push_{kind}", subject=f"visit:{visits.get_row(db, known.visit_id).visit_no}")
    announce(db, PushMoved(known.visit_id, known.site, push_id, kind))
    return msgspec.structs.replace(known, standing=stands)


# --- reading ---------------------------------------------------------------------------------------------------------


def find(db: Session, push_id: UUID) -> Push:
    """A push of a department that the actor serves."""
    return _own(db, push_id)


def _found(db: Session, push_id: UUID) -> Push:
    found = read(db, PushRow.id == push_id)
    if not found:
        raise NotFound("没有找到该推送", "请从专科名单中选择")
    return found[0]


def of_visit(db: Session, visit_id: UUID) -> tuple[Push, ...]:
    """Every push of a visit, the first one first; one statement."""
    return read(db, PushBoard.visit_id == visit_id)


def read(db: Session, condition: ColumnElement[bool]) -> tuple[Push, ...]:
    """The pushes of the actor's site that meet a condition; one statement."""
    mine = PUSHES.rows.where(condition, PushRow.site == actor_of(db).site).order_by(PushRow.id)
    return tuple(to_push(row) for row in db.execute(mine))


def to_push(row: Row[Any]) -> Push:
    """A row with its board as a struct."""
    return Push(
        id=row.id, site=row.site, visit_id=row.visit_id, specialist=row.specialist,
        findings=msgspec.json.decode(row.findings, type=_FINDINGS), urgency=row.urgency, note=row.note, is_private=row.is_private,
        pushed_by=row.pushed_name, pushed_at=row.pushed_at,
        standing=PushStanding(
            PushState(row.now_state), row.now_seen_at, row.now_told_at, row.now_visited_at, row.now_diagnosis, row.now_fee_fen,
            row.now_reason, row.now_sms,
        ),
    )  # fmt: skip


def steps(db: Session, push_id: UUID) -> tuple[PushStep, ...]:
    """Everything that happened to a push, in order."""
    known = _found(db, push_id)
    table = PushFact.__table__
    found = [PushStep(known.pushed_at, "推送", known.pushed_by, known.specialist)]
    for row in db.execute(select(table).where(table.c.push_id == push_id).order_by(table.c.number)):
        fee = f"费用 {yuan(row.fee_fen)} 元" if row.fee_fen is not None else ""
        about = ",".join(each for each in (TOLD_CHANNELS.get(row.channel, ""), row.diagnosis, fee, row.reason) if each)
        found.append(PushStep(row.at, PUSH_FACT_NAMES[row.kind], row.actor, about))
    return tuple(found)


def specialists(db: Session) -> tuple[str, ...]:
    """The departments that the rules of today name, for choosing and for granting."""
    book = rule_store.rules_in_force(db, day_of(house_of(db).clock.now())).book
    named = (part.strip() for rule in book.rules for part in rule.specialist.split("/"))
    return tuple(sorted({each for each in named if each and not any(sign in each for sign in ",:;")}))


def specialist_departments(db: Session) -> list[tuple[str, str]]:
    """Fills DEPARTMENTS: the right of a specialist is limited to the department by its name."""
    return [(name, name) for name in specialists(db)]
