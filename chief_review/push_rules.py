"""A push's states from its facts, and what may be typed of a department, a diagnosis and fees. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

import msgspec

from chief_review.push_facts import (
    MESSAGE,
    NOT_COMING,
    PUSH_FACT_NAMES,
    PUSH_STATE_NAMES,
    SEE,
    SMS_QUEUED,
    TELL,
    UNDO,
    VISIT,
    WITHDRAW,
    PushStanding,
    PushState,
)
from chief_review.rules import is_plain
from exam.kit.errors import Refused
from exam.kit.states import StateTable

LONGEST_SPECIALIST = 40
LONGEST_TEXT = 500
MOST_FEE_FEN = 100_000_000
_S = PushState

PUSH = StateTable(
    "push",
    {
        (_S.PUSHED, SEE): _S.SEEN,
        **{(state, kind): state for state in (_S.PUSHED, _S.SEEN, _S.NOT_COMING) for kind in (MESSAGE, TELL)},
        **{(state, VISIT): _S.VISITED for state in (_S.PUSHED, _S.SEEN, _S.NOT_COMING, _S.VISITED)},
        **{(state, NOT_COMING): _S.NOT_COMING for state in (_S.PUSHED, _S.SEEN)},
        **{(state, WITHDRAW): _S.WITHDRAWN for state in (_S.PUSHED, _S.SEEN, _S.NOT_COMING)},
        (_S.SEEN, UNDO): _S.PUSHED,
        (_S.VISITED, UNDO): _S.SEEN,
        (_S.NOT_COMING, UNDO): _S.SEEN,
        (_S.WITHDRAWN, UNDO): _S.PUSHED,
    },
    {str(state): name for state, name in PUSH_STATE_NAMES.items()},
)


class Fact(Protocol):
    """What a fact of a push says."""

    kind: str
    at: datetime
    diagnosis: str
    fee_fen: int | None
    reason: str


def standing(facts: Iterable[Fact]) -> PushStanding:
    """Replays the facts. Refuses one that is not possible after those before it."""
    now = PushStanding()
    for fact in facts:
        now = after(now, fact.kind, fact.at, fact.diagnosis, fact.fee_fen, fact.reason)
    return now


def after(
    now: PushStanding, kind: str, at: datetime, diagnosis: str = "", fee_fen: int | None = None, reason: str = ""
) -> PushStanding:
    """Where a push stands after one more fact. Taking a visit back takes its diagnosis and fees back."""
    state = PushState(PUSH.move(now.state, kind, PUSH_FACT_NAMES.get(kind, kind)))
    new = msgspec.structs.replace(now, state=state, reason=reason if kind in (NOT_COMING, WITHDRAW) else "")
    match kind:
        case "see":
            return msgspec.structs.replace(new, seen_at=at)
        case "message":
            return msgspec.structs.replace(new, sms=reason or SMS_QUEUED, reason=now.reason)
        case "tell":
            return msgspec.structs.replace(new, told_at=now.told_at or at, reason=now.reason)
        case "visit":
            return msgspec.structs.replace(
                new, seen_at=now.seen_at or at, visited_at=now.visited_at or at, diagnosis=diagnosis or now.diagnosis,
                fee_fen=now.fee_fen + (fee_fen or 0),
            )  # fmt: skip
        case "not_coming":
            return msgspec.structs.replace(new, seen_at=now.seen_at or at)
        case "undo" if now.state is _S.VISITED:
            return msgspec.structs.replace(new, visited_at=None, diagnosis="", fee_fen=0)
        case "undo" if now.state is _S.SEEN:
            return msgspec.structs.replace(new, seen_at=None)
        case "undo" if now.state is _S.WITHDRAWN:
            return msgspec.structs.replace(new, seen_at=None)
    return new


def read_specialist(text: str, finding: str) -> str:
    """The name of the department that a finding goes to, as it is stored. Refuses what cannot be granted to anybody."""
    name = " ".join(text.split())
    if not name:
        raise Refused("chief_review.specialist_missing", f"“{finding}”没有填写就诊科室", "请为每条勾选的发现填写就诊科室")
    if len(name) > LONGEST_SPECIALIST or not is_plain(name) or any(each in name for each in ",:;/"):
        raise Refused(
            "chief_review.specialist",
            f"就诊科室“{name[:20]}”无效,每次只能填写一个科室(最多 {LONGEST_SPECIALIST} 字)",
            "请从列表中选择",
        )
    return name


def first_of(specialists: str) -> str:
    """The first of several departments that a line names (`心内科/内分泌科`)."""
    return specialists.replace(";", "/").replace("、", "/").partition("/")[0].strip()


def read_text(text: str, label: str, field: str) -> str:
    """A typed text as it is stored; refuses an overlong or unprintable one."""
    plain = text.strip()
    if len(plain) > LONGEST_TEXT or not is_plain(plain):
        raise Refused("chief_review.push_text", f"{label}过长或含有控制字符(最多 {LONGEST_TEXT} 字)", "请修改后重试", field)
    return plain


def require_fee(fee_fen: int | None) -> int | None:
    """Fees in fen; refuses a negative or impossible sum."""
    if fee_fen is not None and not 0 <= fee_fen <= MOST_FEE_FEN:
        raise Refused("chief_review.push_fee", "就诊费用须在 0 到 100 万元之间", "请核对金额", "fee")
    return fee_fen
