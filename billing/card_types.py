"""Keeping card types and the limits of the law: versions that replace each other, none ever changed."""

from __future__ import annotations

from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import card_rules as rules
from billing.card_facts import STARTER_LIMITS, CardLimits, CardType, CardTypeDraft, RefundRule
from billing.card_models import CardLimitsApproval, CardLimitsRow, CardTypeRow
from exam.kit import audit
from exam.kit.errors import NotFound, Refused, Stale
from exam.kit.house import actor_of, house_of
from exam.kit.series import next_number

# --- limits ----------------------------------------------------------------------------------------------------------


def limits(db: Session) -> CardLimits:
    """The limits that count: the newest version, or what came with the program."""
    return limits_history(db)[0]


def limits_history(db: Session) -> list[CardLimits]:
    """Every version, the newest first; what came with the program is the last."""
    approvals = {row.version: row for row in db.scalars(select(CardLimitsApproval))}
    found = [
        CardLimits(
            version=row.version, named_most_fen=row.named_most_fen, unnamed_most_fen=row.unnamed_most_fen,
            unnamed_least_months=row.unnamed_least_months, source=row.source, reason=row.reason, author=row.author,
            author_id=row.author_id, at=row.at,
        )
        for row in db.scalars(select(CardLimitsRow).order_by(CardLimitsRow.version.desc()))
    ]  # fmt: skip
    return [
        msgspec.structs.replace(each, approved_by=approval.approved_by, approved_at=approval.approved_at)
        if (approval := approvals.get(each.version)) else each
        for each in (*found, STARTER_LIMITS)
    ]  # fmt: skip


def set_limits(db: Session, seen: int, new: CardLimits) -> int:
    """Stores the next version; returns its number. Cards that hold more than it allows keep what they hold."""
    rules.require_limits(new)
    now, actor = limits(db), actor_of(db)
    if now.version != seen:
        raise Stale("限额已被他人修改")
    db.add(
        CardLimitsRow(
            version=seen + 1, named_most_fen=new.named_most_fen, unnamed_most_fen=new.unnamed_most_fen,
            unnamed_least_months=new.unnamed_least_months, source=new.source, reason=new.reason, author=actor.name,
            author_id=actor.staff_id, at=house_of(db).clock.now(),
        )
    )  # fmt: skip
    db.flush()
    audit.note(db, "billing.card_limits", subject=f"card_limits:{seen + 1}", reason=new.reason)
    return seen + 1


def approve_limits(db: Session, seen: int) -> None:
    """Somebody other than the author compared the version with the regulation."""
    now, actor = limits(db), actor_of(db)
    if now.version != seen:
        raise Stale("限额已被他人修改")
    if now.approved_by:
        raise Refused("billing.card_limits_approved", "该版本已审核", "请刷新页面查看")
    if now.author_id is not None and now.author_id == actor.staff_id:
        raise Refused("billing.card_limits_own", "填写人不能审核自己的版本", "请由另一位有权限的同事对照原文审核")
    db.add(
        CardLimitsApproval(
            version=seen, approved_by=actor.name, approver_id=actor.staff_id, approved_at=house_of(db).clock.now()
        )
    )  # fmt: skip
    audit.note(db, "billing.card_limits_approve", subject=f"card_limits:{seen}")


# --- types -----------------------------------------------------------------------------------------------------------


def types(db: Session) -> list[CardType]:
    """The newest version of every card type, in order of their codes."""
    newest = select(CardTypeRow.code, func.max(CardTypeRow.version).label("version")).group_by(CardTypeRow.code).subquery()
    rows = db.scalars(
        select(CardTypeRow)
        .join(newest, (newest.c.code == CardTypeRow.code) & (newest.c.version == CardTypeRow.version))
        .order_by(CardTypeRow.code)
    )
    return [_type_of(row) for row in rows]


def versions(db: Session, code: str) -> list[CardType]:
    """Every version of a type, the newest first."""
    return [
        _type_of(row)
        for row in db.scalars(select(CardTypeRow).where(CardTypeRow.code == code).order_by(CardTypeRow.version.desc()))
    ]


def newest(db: Session, code: str) -> CardType:
    """The version of a type that counts."""
    found = versions(db, code)
    if not found:
        raise NotFound("没有找到该卡类型", "请在卡类型中选择")
    return found[0]


def newest_of(db: Session, type_id: UUID) -> CardType:
    """The version that counts now of the type by which a card was made."""
    return newest(db, db.get_one(CardTypeRow, type_id).code)


def add_type(db: Session, new: CardTypeDraft) -> str:
    """Stores a new type; returns its code."""
    rules.require_type(new, limits(db))
    code = f"K{next_number(db, 'card_type'):03d}"
    _store(db, code, 1, new, "新建")
    audit.note(db, "billing.card_type", subject=f"card_type:{code}")
    return code


def change_type(db: Session, code: str, seen: int, new: CardTypeDraft, reason: str) -> int:
    """Stores the next version of a type; cards that were sold keep the terms of their sale."""
    reason = rules.require_reason(reason, "修改卡类型")
    before = newest(db, code)
    if before.version != seen:
        raise Stale("卡类型已被他人修改")
    rules.require_same_kind(before, new)
    rules.require_type(new, limits(db))
    _store(db, code, seen + 1, new, reason)
    audit.note(db, "billing.card_type", subject=f"card_type:{code}", reason=reason)
    return seen + 1


def _store(db: Session, code: str, version: int, new: CardTypeDraft, reason: str) -> None:
    house = house_of(db)
    fields = {name: getattr(new, name) for name in CardTypeDraft.__struct_fields__}
    db.add(
        CardTypeRow(
            id=house.ids.new(), code=code, version=version, reason=reason, at=house.clock.now(), actor_id=actor_of(db).staff_id,
            **{**fields, "refund": str(new.refund)},
        )
    )  # fmt: skip
    db.flush()


def _type_of(row: CardTypeRow) -> CardType:
    return CardType(
        id=row.id, code=row.code, version=row.version, name=row.name, category=row.category, is_named=row.is_named,
        face_fen=row.face_fen, price_fen=row.price_fen, valid_months=row.valid_months, is_reloadable=row.is_reloadable,
        needs_pin=row.needs_pin, refund=RefundRule(row.refund), is_active=row.is_active, reason=row.reason, at=row.at,
    )  # fmt: skip
