"""Discounts: booking schemes, what each role may give on its own word, and what a second person has to say yes to.

Every discount is a fact; taking one back is another. After each the visit is priced anew, so that what is owed follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import charging, receipts, service
from billing import discount_rules as rules
from billing.discount_models import BookingScheme, DiscountDecision, DiscountLimit, DiscountRequest
from billing.discount_rules import Limit, Outcome, Scheme
from billing.facts import Discount, DiscountKind
from billing.models import DiscountRow
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.kit.money import yuan
from exam.staff.models import Grant, Role
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import LineState
from exam.visits.models import OrderLineRow, Visit

WAIVER_WORD = "已执行退费"


class Given(msgspec.Struct, frozen=True):
    """What came of a discount somebody gave: it stands, or it waits for a second person."""

    discount_id: UUID | None = None
    request_id: UUID | None = None


class Standing(msgspec.Struct, frozen=True):
    """A discount that stands, as screens show it."""

    id: UUID
    kind: DiscountKind
    line_id: UUID | None
    factor: str | None
    total_fen: int | None
    source: str
    reason: str
    at: datetime
    actor_id: UUID | None
    approved_by: UUID | None


class Waiting(msgspec.Struct, frozen=True):
    """A request that nobody has decided, or what was decided."""

    id: UUID
    visit_id: UUID
    kind: DiscountKind
    line_id: UUID | None
    line_name: str
    factor: str | None
    total_fen: int | None
    before_fen: int
    after_fen: int
    reason: str
    at: datetime
    actor_id: UUID | None
    is_approved: bool | None = None
    decided_by: UUID | None = None
    decided_at: datetime | None = None


# --- limits ----------------------------------------------------------------------------------------------------------


def limits(db: Session) -> list[Limit]:
    """Every version of every limit, in the order they were written."""
    rows = db.scalars(select(DiscountLimit).order_by(DiscountLimit.id))
    return [Limit(row.role, row.least_factor, row.valid_from, row.source) for row in rows]


def least_of(db: Session, staff_id: UUID | None) -> Decimal | None:
    """The factor down to which somebody may discount today by the roles they hold here; None: not at all."""
    held = set(db.scalars(select(Grant.role).where(Grant.staff_id == staff_id, Grant.site == actor_of(db).site)))
    found = rules.newest_limits(limits(db), _today(db))
    return min((Decimal(limit.least_factor) for role, limit in found.items() if role in held), default=None)


def set_limit(db: Session, role: str, least_factor: str, valid_from: date, source: str) -> None:
    """Writes a new version of a role's limit, from a day on that is not past. Nobody widens the limit of a role of their own."""
    factor, source = rules.read_factor(least_factor, "least_factor"), rules.require_name(source, "依据", 200)
    actor = actor_of(db)
    if db.get(Role, role) is None:
        raise Refused("billing.unknown_role", "没有这个岗位", "请从列表中选择岗位", "role")
    if valid_from < _today(db):
        raise Refused("billing.in_past", "生效日期不能早于今天", "请选择今天或以后的日期", "valid_from")
    is_own = db.scalar(select(Grant.id).where(Grant.staff_id == actor.staff_id, Grant.role == role).limit(1)) is not None
    before = rules.newest_limits(limits(db), valid_from).get(role)
    if is_own and (before is None or Decimal(factor) < Decimal(before.least_factor)):
        raise Refused("billing.own_limit", "不能放宽本人所在岗位的打折权限", "请由其他有权限的人员设置", "role")
    _add_limit(db, role, factor, valid_from, source)
    audit.note(db, "billing.discount_limit", subject=f"role:{role}", reason=source)


def _add_limit(db: Session, role: str, factor: str, valid_from: date, source: str) -> None:
    house = house_of(db)
    insert_rows(
        db, DiscountLimit,
        [{"id": house.ids.new(), "role": role, "least_factor": factor, "valid_from": valid_from, "source": source,
          "at": house.clock.now(), "actor_id": actor_of(db).staff_id}],
    )  # fmt: skip


def load_starter(db: Session) -> None:
    """The shipped limits, where there are none yet: a person of the centre confirms them first."""
    if db.scalar(select(DiscountLimit.id).limit(1)) is None:
        shipped: dict[str, Any] = msgspec.json.decode(files(__package__).joinpath("discounts_starter.json").read_bytes())
        for each in shipped["limits"]:
            _add_limit(db, each["role"], each["least_factor"], date.fromisoformat(shipped["valid_from"]), shipped["source"])


# --- booking schemes -------------------------------------------------------------------------------------------------


def schemes(db: Session) -> list[Scheme]:
    """The newest version of every scheme, by code."""
    newest: dict[str, Scheme] = {}
    for row in db.scalars(select(BookingScheme).order_by(BookingScheme.id)):
        newest[row.code] = Scheme(
            row.id, row.code, row.name, row.factor, row.stackable, row.valid_from, row.valid_until, row.source
        )
    return [newest[code] for code in sorted(newest)]


def offered(db: Session, exam_on: date) -> list[Scheme]:
    """The schemes that an exam on this day may have."""
    return [scheme for scheme in schemes(db) if scheme.holds_on(exam_on)]


def put_scheme(
    db: Session, code: str, name: str, factor: str, *, stackable: bool, valid_from: date, valid_until: date | None, source: str
) -> UUID:
    """A new scheme, or a new version of one. What was given by an older version stands."""
    plain = code.strip().upper()
    if not plain.isascii() or not plain.replace("-", "").isalnum() or len(plain) > 20:
        raise Refused("billing.scheme_code", "方案编码须为 20 位以内的字母或数字", "请更正方案编码", "code")
    if valid_until is not None and valid_until < valid_from:
        raise Refused("billing.scheme_days", "截止日期早于起始日期", "请更正日期", "valid_until")
    if Decimal(read := rules.read_factor(factor)) in (0, 1):
        raise Refused("billing.factor", "预约打折系数须大于 0、小于 1", "请输入例如 0.9", "factor")
    house = house_of(db)
    scheme_id = house.ids.new()
    insert_rows(
        db, BookingScheme,
        [{"id": scheme_id, "code": plain, "name": rules.require_name(name, "方案名称"), "factor": read, "stackable": stackable,
          "valid_from": valid_from, "valid_until": valid_until, "source": rules.require_name(source, "依据", 200),
          "at": house.clock.now(), "actor_id": actor_of(db).staff_id}],
    )  # fmt: skip
    audit.note(db, "billing.booking_scheme", subject=f"scheme:{plain}")
    return scheme_id


def apply_scheme(db: Session, visit_id: UUID, code: str) -> None:
    """Gives a visit a booking scheme in place of the one it has, or with an empty code none; then prices it anew."""
    visit = visits.get_row(db, visit_id, lock=True)
    chosen = next((scheme for scheme in offered(db, visit.exam_on) if scheme.code == code), None)
    if code and chosen is None:
        raise Refused("billing.no_scheme", "该体检日期没有这个预约打折方案", "请从列表中选择", "scheme")
    for each in standing(db, visit_id):
        if each.kind is DiscountKind.BOOKING:
            _take_back(db, visit_id, each, "更换预约打折方案")
    if chosen is not None:
        new = Discount(kind=DiscountKind.BOOKING, factor=chosen.factor, stackable=chosen.stackable)
        _write(db, visit_id, new, f"scheme:{chosen.code}@{chosen.id}", chosen.name)
    audit.note(db, "billing.booking_discount", subject=f"visit:{visit.visit_no}")
    service.reprice(db, visit_id, "discount")


# --- giving ----------------------------------------------------------------------------------------------------------


def standing(db: Session, visit_id: UUID) -> list[Standing]:
    """The discounts of a visit that stand, in the order they were given."""
    rows = db.scalars(select(DiscountRow).where(DiscountRow.visit_id == visit_id).order_by(DiscountRow.id)).all()
    undone = {row.undoes for row in rows}
    return [
        Standing(row.id, DiscountKind(row.kind), row.line_id, row.factor, row.total_fen, row.source, row.reason, row.at, row.actor_id,
                 row.approved_by)
        for row in rows if row.undoes is None and row.id not in undone
    ]  # fmt: skip


def give(
    db: Session,
    visit_id: UUID,
    reason: str,
    *,
    line_id: UUID | None = None,
    factor: str | None = None,
    total_fen: int | None = None,
) -> Given:
    """A discount by hand on a line or on the whole. Within the giver's limit it stands at once; beyond it a request waits.

    A line that would cost nothing always waits for a second person.
    """
    visit = visits.get_row(db, visit_id, lock=True)
    reason = receipts.require_reason(reason, "打折")
    new = _manual(db, visit, line_id, factor, total_fen)
    outcome = _outcome(db, visit, new)
    if outcome.after_fen >= _outcome(db, visit, None).after_fen:
        raise Refused("billing.not_lower", "该折扣没有降低应收金额", "所选项目不可打折,或已到最低价;请调整折扣", "factor")
    least = least_of(db, actor_of(db).staff_id)
    audit.note(db, "billing.discount", subject=f"visit:{visit.visit_no}", reason=reason)
    if least is None or outcome.is_free or not outcome.is_within(least):
        return Given(request_id=_ask(db, visit, new, outcome.before_fen, outcome.after_fen, reason))
    discount_id = _write(db, visit_id, new, "manual", reason)
    service.reprice(db, visit_id, "discount")
    return Given(discount_id=discount_id)


def _manual(db: Session, visit: Visit, line_id: UUID | None, factor: str | None, total_fen: int | None) -> Discount:
    standing_charges = charging.standing_charges(db, visit.id)
    if line_id is not None:
        _require_line(db, visit.id, line_id)
        now_fen = standing_charges[line_id].person_fen
    else:
        now_fen = sum(each.person_fen for each in standing_charges.values())
    plain = rules.read_factor(factor) if factor is not None else None
    rules.require_measure(plain, total_fen, now_fen)
    return Discount(kind=DiscountKind.MANUAL, line_id=line_id, factor=plain, total_fen=total_fen)


def _require_line(db: Session, visit_id: UUID, line_id: UUID) -> str:
    """The name of a line of the visit that was not removed."""
    for line in orders.lines(db, visit_id):
        if line.id == line_id and line.state is not LineState.REMOVED:
            return line.name
    raise NotFound("没有找到该项目", "请刷新页面后重试")


def _outcome(db: Session, visit: Visit, new: Discount | None) -> Outcome:
    """What a visit's person would pay with `new`; waivers stand outside, two people said them."""
    lines, catalogue = orders.lines(db, visit.id), visits.catalogue_of(db, visit)
    terms = charging.terms_of(db, visit.id)
    present = [each for each in charging.discounts_of(db, visit.id) if each.kind is not DiscountKind.WAIVER]
    wanted = [*present, *([new] if new is not None else [])]

    def own(discounts: Sequence[Discount]) -> dict[UUID, int]:
        return {key: share.person_fen for key, share in charging.wanted_shares(lines, catalogue, terms, discounts).items()}

    return Outcome(own(rules.without_manual(wanted)), own(rules.of_single_lines(wanted)), own(wanted))


def undo(db: Session, visit_id: UUID, discount_id: UUID, reason: str) -> None:
    """Takes a discount that was given by hand back: the visit is priced anew. A waiver stands: its money went back."""
    visit = visits.get_row(db, visit_id, lock=True)
    reason = receipts.require_reason(reason, "撤销折扣")
    found = next((each for each in standing(db, visit_id) if each.id == discount_id), None)
    if found is None:
        raise NotFound("没有找到可撤销的折扣", "请刷新页面后重试")
    if found.kind is DiscountKind.WAIVER:
        raise Refused("billing.waiver_stands", "已执行退费经审批生效,不能撤销", "如需重新收费,请增加相应项目")
    _take_back(db, visit_id, found, reason)
    audit.note(db, "billing.discount_undo", subject=f"visit:{visit.visit_no}", reason=reason)
    service.reprice(db, visit_id, "discount")


def ask_waiver(db: Session, visit_id: UUID, line_id: UUID, back_fen: int, reason: str) -> UUID:
    """Asks that money be given back for a line of which something was done (已执行退费); a second person decides."""
    visit = visits.get_row(db, visit_id, lock=True)
    reason = receipts.require_reason(reason, WAIVER_WORD)
    _require_line(db, visit_id, line_id)
    now_fen = charging.standing_charges(db, visit_id)[line_id].person_fen
    if not 0 < back_fen <= now_fen:
        raise Refused(
            "billing.more_than_charged", f"该项目个人应收 {yuan(now_fen)} 元,退费须大于零且不超过应收", "请核对退费金额", "amount"
        )
    new = Discount(kind=DiscountKind.WAIVER, line_id=line_id, total_fen=now_fen - back_fen)
    audit.note(db, "billing.waiver_ask", subject=f"visit:{visit.visit_no}", reason=reason)
    return _ask(db, visit, new, now_fen, now_fen - back_fen, reason)


# --- the second person -----------------------------------------------------------------------------------------------


def decide(db: Session, request_id: UUID, *, is_approved: bool, reason: str = "") -> None:
    """A second person says yes or no to a request, once. Refuses one's own, and a yes beyond one's own limit."""
    request = _request(db, request_id)
    visit = visits.get_row(db, request.visit_id, lock=True)
    actor = actor_of(db)
    if db.scalar(select(DiscountDecision.id).where(DiscountDecision.request_id == request_id)) is not None:
        raise Refused("billing.decided", "该申请已经审批", "请刷新页面查看")
    if request.actor_id == actor.staff_id:
        raise Refused("billing.own_request", "不能审批本人提交的申请", "请由另一位有权限的人员审批")
    if not is_approved:
        reason = receipts.require_reason(reason, "驳回")
    discount_id = _carry_out(db, visit, request) if is_approved else None
    house = house_of(db)
    insert_rows(
        db, DiscountDecision,
        [{"id": house.ids.new(), "request_id": request_id, "is_approved": is_approved, "discount_id": discount_id,
          "reason": reason.strip()[:200], "at": house.clock.now(), "actor_id": actor.staff_id}],
    )  # fmt: skip
    audit.note(db, "billing.discount_decide", subject=f"visit:{visit.visit_no}", reason=reason)
    if is_approved:
        service.reprice(db, visit.id, "discount")


def _carry_out(db: Session, visit: Visit, request: DiscountRequest) -> UUID:
    new = Discount(kind=DiscountKind(request.kind), line_id=request.line_id, factor=request.factor, total_fen=request.total_fen)
    if new.line_id is not None:
        _require_line(db, visit.id, new.line_id)
    if new.kind is DiscountKind.WAIVER:
        now_fen = charging.standing_charges(db, visit.id)[new.line_id].person_fen if new.line_id else 0
        if now_fen != request.before_fen:
            raise Refused("billing.request_stale", "该项目的应收金额在申请之后已改变", "请驳回,并由收费员重新申请")
    else:
        outcome, least = _outcome(db, visit, new), least_of(db, actor_of(db).staff_id)
        if least is None or not outcome.is_within(least) or (outcome.is_free and least > 0):
            raise Refused("billing.beyond_limit", "该折扣超过本人的审批权限", "请由权限更高的人员审批")
    word = WAIVER_WORD if new.kind is DiscountKind.WAIVER else "manual"
    return _write(db, visit.id, new, word, request.reason, given_by=request.actor_id, approved_by=actor_of(db).staff_id)


def waiting(db: Session, limit: int = 50, offset: int = 0) -> list[Waiting]:
    """The requests of this site that nobody has decided, the oldest first."""
    return _waiting(db, DiscountRequest.site == actor_of(db).site, DiscountDecision.id.is_(None), limit=limit, offset=offset)


def waiting_count(db: Session) -> int:
    """How many requests of this site nobody has decided."""
    open_ = ~select(DiscountDecision.id).where(DiscountDecision.request_id == DiscountRequest.id).exists()
    mine = DiscountRequest.site == actor_of(db).site
    return db.scalar(select(func.count()).select_from(DiscountRequest).where(mine, open_)) or 0


def decided(db: Session, limit: int = 30) -> list[Waiting]:
    """The last decisions of this site, the newest first."""
    return _waiting(
        db, DiscountRequest.site == actor_of(db).site, DiscountDecision.id.is_not(None), limit=limit, is_newest_first=True
    )


def requests_of(db: Session, visit_id: UUID) -> list[Waiting]:
    """A visit's requests, the oldest first."""
    return _waiting(db, DiscountRequest.visit_id == visit_id, limit=100)


def _waiting(db: Session, *conditions: Any, limit: int, offset: int = 0, is_newest_first: bool = False) -> list[Waiting]:
    rows = db.execute(
        select(DiscountRequest, DiscountDecision, OrderLineRow.name)
        .outerjoin(DiscountDecision, DiscountDecision.request_id == DiscountRequest.id)
        .outerjoin(OrderLineRow, OrderLineRow.id == DiscountRequest.line_id)
        .where(*conditions)
        .order_by(DiscountRequest.id.desc() if is_newest_first else DiscountRequest.id)
        .limit(limit)
        .offset(offset)
    )
    return [
        Waiting(
            row.id, row.visit_id, DiscountKind(row.kind), row.line_id, name or "", row.factor, row.total_fen, row.before_fen, row.after_fen,
            row.reason, row.at, row.actor_id, decision.is_approved if decision else None, decision.actor_id if decision else None,
            decision.at if decision else None,
        )
        for row, decision, name in rows
    ]  # fmt: skip


def _request(db: Session, request_id: UUID) -> DiscountRequest:
    found = db.get(DiscountRequest, request_id)
    if found is None or found.site != actor_of(db).site:
        raise NotFound("没有找到该申请", "请刷新页面后重试")
    return found


# --- writing ---------------------------------------------------------------------------------------------------------


def _ask(db: Session, visit: Visit, new: Discount, before_fen: int, after_fen: int, reason: str) -> UUID:
    house = house_of(db)
    request_id = house.ids.new()
    insert_rows(
        db, DiscountRequest,
        [{"id": request_id, "visit_id": visit.id, "site": visit.site, "kind": new.kind.value, "line_id": new.line_id,
          "factor": new.factor, "total_fen": new.total_fen, "before_fen": before_fen, "after_fen": after_fen, "reason": reason,
          "at": house.clock.now(), "actor_id": actor_of(db).staff_id}],
    )  # fmt: skip
    return request_id


def _take_back(db: Session, visit_id: UUID, each: Standing, reason: str) -> None:
    taken = Discount(kind=each.kind, line_id=each.line_id, factor=each.factor, total_fen=each.total_fen)
    _write(db, visit_id, taken, each.source, reason, undoes=each.id)


def _write(
    db: Session, visit_id: UUID, new: Discount, source: str, reason: str, *, undoes: UUID | None = None, given_by: UUID | None = None,
    approved_by: UUID | None = None,
) -> UUID:  # fmt: skip
    house = house_of(db)
    discount_id = house.ids.new()
    insert_rows(
        db, DiscountRow,
        [{"id": discount_id, "visit_id": visit_id, "kind": new.kind.value, "line_id": new.line_id, "factor": new.factor,
          "total_fen": new.total_fen, "stackable": new.stackable, "source": source, "reason": reason, "undoes": undoes,
          "at": house.clock.now(), "actor_id": given_by or actor_of(db).staff_id, "approved_by": approved_by}],
    )  # fmt: skip
    return discount_id


def _today(db: Session) -> date:
    return day_of(house_of(db).clock.now())
