"""What may happen to a report and who may sign it: pure functions over versions, facts and signatures."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from chief_review.facts import Signature as ReviewSignature
from exam.catalog.facts import Catalogue
from exam.kit.errors import Refused
from exam.kit.states import StateTable
from exam.visits.facts import VISIT_STATE_NAMES, VisitState
from reporting.document import PRINTED_NAME, Signature
from reporting.facts import REPORT_STATE_NAMES, RecordVersion, ReportEvent, ReportState

REPORT = StateTable(
    "report",
    {
        ("draft", "issued"): "issued",
        ("issued", "delivered"): "delivered",
        ("issued", "recalled"): "recalled",
        ("delivered", "recalled"): "recalled",
        ("recalled", "superseded"): "superseded",
    },
    {str(state): name for state, name in REPORT_STATE_NAMES.items()},
)
"""One version's way. A new version supersedes every earlier one; each of those was recalled before (T16, decision 6)."""

LEVEL_ROLES = {"first": "主检医师", "final": "终审医师"}
"""The roles of the signature block by the level of the doctor's signature in the system."""

MOST_REASON = 200


class Fact(Protocol):
    """What these rules read of a stored fact."""

    id: UUID
    kind: str
    undoes: UUID | None


def standing(facts: Iterable[Fact]) -> list[Fact]:
    """The facts that hold: in order, without the undone ones and the undoings themselves."""
    listed = list(facts)
    undone = {fact.undoes for fact in listed if fact.undoes is not None}
    return [fact for fact in listed if fact.undoes is None and fact.id not in undone]


def version_state(facts: Iterable[Fact]) -> ReportState:
    """Where one version stands, from its own facts in order."""
    state: str = ReportState.DRAFT
    for fact in standing(facts):
        state = REPORT.moves.get((state, fact.kind), state)
    return ReportState(state)


def is_outdated(facts: Iterable[Fact]) -> bool:
    """Whether a newer result exists than this version shows."""
    return any(fact.kind == ReportEvent.NOT_CURRENT for fact in standing(facts))


def changed_departments(manifest: Sequence[RecordVersion], now: Sequence[RecordVersion]) -> tuple[str, ...]:
    """The departments whose record is no longer the version that a report was made of (S3)."""
    before, after = {each.department: each.version for each in manifest}, {each.department: each.version for each in now}
    return tuple(sorted(code for code in before.keys() | after.keys() if before.get(code) != after.get(code)))


# --- what is required ------------------------------------------------------------------------------------------------


def require_issue(state: VisitState) -> None:
    """Refuses to issue before the final review (T16) or a second time."""
    if state in (VisitState.PUBLISHED, VisitState.DELIVERED):
        raise Refused("reporting.issued_already", "该报告已发布,不能重复发布", "如需更正,请先撤回报告再重新主检")
    if state != VisitState.FINAL:
        shown = VISIT_STATE_NAMES[state]
        raise Refused("reporting.not_final", f"当前状态为“{shown}”,终审通过后才能发布报告", "请先完成主检初审和终审")


def require_reason(reason: str) -> str:
    """The reason without surrounding space; refuses an empty or overlong one."""
    reason = reason.strip()
    if not reason:
        raise Refused("reporting.reason_missing", "撤回报告必须填写原因", "请填写撤回原因", "reason")
    if len(reason) > MOST_REASON:
        raise Refused("reporting.reason_long", f"撤回原因超过 {MOST_REASON} 字", "请精简撤回原因", "reason")
    return reason


def require_recall(state: ReportState | None, is_examinee_told: bool) -> None:
    """Refuses to recall what is not issued. What the examinee already holds is recalled only once they were told (T16)."""
    if state is None:
        raise Refused("reporting.nothing_issued", "该受检者没有已发布的报告,无需撤回", "请刷新页面查看最新状态")
    REPORT.move(state, ReportEvent.RECALLED, "撤回")
    if state == ReportState.DELIVERED and not is_examinee_told:
        raise Refused(
            "reporting.delivered",
            "报告已被领取,不能直接撤回",
            "请先通知受检者原报告作废,再勾选“已通知受检者”后撤回",
            "is_examinee_told",
        )


def require_deliver(state: ReportState | None, is_current: bool, received_by: str) -> str:
    """Who received the report; refuses to hand over what is not issued, is outdated, or to nobody in particular."""
    if state is None:
        raise Refused("reporting.nothing_issued", "该受检者没有已发布的报告,不能领取", "请先发布报告")
    if not is_current:
        raise Refused("reporting.outdated", "结果已更正,本版报告不再是最新,不能发放", "请撤回本版,重新主检后再发布")
    REPORT.move(state, ReportEvent.DELIVERED, "领取")
    received_by = received_by.strip()
    if not received_by or len(received_by) > 40:
        raise Refused("reporting.receiver_missing", "领取人不能为空且不超过 40 字", "请填写“本人”或代领人姓名", "received_by")
    return received_by


def signature_block(signatures: Sequence[ReviewSignature], *, is_demo: bool = False) -> tuple[Signature, ...]:
    """The doctors' lines of the signature block, in the order of the levels; nobody else ever stands there (decision 7).

    A doctor without a picture signs with the printed name: only a demonstration draws a hand that nobody wrote.
    """
    latest = {each.level: each for each in sorted(signatures, key=lambda each: each.at)}
    chosen = [latest[level] for level in LEVEL_ROLES if level in latest]
    return tuple(
        Signature(LEVEL_ROLES[each.level], each.name, each.title, each.at, _picture_id(each, is_demo)) for each in chosen
    )


def _picture_id(signature: ReviewSignature, is_demo: bool) -> str:
    signer = signature.staff_id.hex
    if signature.picture_id is not None:
        return f"{signer}.{signature.picture_id.hex}"
    return signer if is_demo else f"{signer}.{PRINTED_NAME}"


def require_signatures(signatures: Sequence[ReviewSignature], shown: str) -> None:
    """Refuses a report that does not carry both signatures, by two different doctors (T15), under what is shown now.

    `shown` is the digest of the review with the results it rests on: results that came in after a signature make another.
    """
    by_level = {each.level: each for each in signatures}
    missing = [role for level, role in LEVEL_ROLES.items() if level not in by_level]
    if missing:
        raise Refused("reporting.signature_missing", f"缺少{missing[0]}签名,不能发布", "请先完成签名")
    if len({by_level[level].staff_id for level in LEVEL_ROLES}) < len(LEVEL_ROLES):
        raise Refused("reporting.same_doctor", "主检与终审为同一医师,不能发布", "请由另一位医师终审")
    if any(by_level[level].digest != shown for level in LEVEL_ROLES):
        raise Refused("reporting.signed_before", "签名之后结果或结论有更正,不能发布", "请撤销终审,由主检核对后重新签名")


# --- privacy ---------------------------------------------------------------------------------------------------------


class Privacy(msgspec.Struct, frozen=True):
    """What of a catalogue is private, and what must not be printed at all for a category of exam.

    `items` go only into the sealed supplement; `barred` items nowhere (domain.md §2.7: hepatitis B and HIV in entry and
    school exams). The words find the same things in what a doctor typed.
    """

    items: frozenset[str]
    groups: frozenset[str]
    words: frozenset[str]
    barred: frozenset[str] = frozenset()
    barred_groups: frozenset[str] = frozenset()
    barred_words: frozenset[str] = frozenset()

    def is_private(self, items: Iterable[str], *texts: str) -> bool:
        """Whether any of the items, or anything said in the texts, belongs in the supplement."""
        return not self.items.isdisjoint(items) or _mentions(self.words, texts)

    def is_barred(self, items: Iterable[str], *texts: str) -> bool:
        """Whether any of the items, or anything said in the texts, must not be printed for this kind of exam."""
        return not self.barred.isdisjoint(items) or _mentions(self.barred_words, texts)


_LATIN_STEM = re.compile("[A-Za-z]{2,}")


def _mentions(words: frozenset[str], texts: Iterable[str]) -> bool:
    plain = unicodedata.normalize("NFKC", " ".join(texts)).lower()
    return any(word in plain for word in words)


def _words(names: Iterable[str]) -> frozenset[str]:
    """The beginnings that name a thing in free text: 乙肝 of 乙肝表面抗原, hiv of HIV抗体."""
    found = set()
    for name in names:
        latin = _LATIN_STEM.match(name)
        found.add((latin[0] if latin else name[:2]).lower())
    return frozenset(word for word in found if len(word) > 1)


def privacy_of(catalogue: Catalogue, category: str, more_items: Iterable[str] = ()) -> Privacy:
    """What the catalogue calls private and what it bars in this category of exam; `more_items` are private as well."""
    private_groups = {code: group for code, group in catalogue.groups.items() if group.privacy}
    items = {code for code, item in catalogue.items.items() if item.privacy} | set(more_items)
    items |= {item for group in private_groups.values() for item in group.items}
    barred_groups = {code: group for code, group in catalogue.groups.items() if category in group.barred_categories}
    allowed = {item for code, group in catalogue.groups.items() if code not in barred_groups for item in group.items}
    barred = {item for group in barred_groups.values() for item in group.items} - allowed

    def names(item_codes: Iterable[str]) -> list[str]:
        return [catalogue.items[code].name for code in item_codes if code in catalogue.items]

    return Privacy(
        items=frozenset(items),
        groups=frozenset(private_groups),
        words=_words([*names(items), *items, *(group.name for group in private_groups.values())]),
        barred=frozenset(barred),
        barred_groups=frozenset(barred_groups),
        barred_words=_words([*names(barred), *barred, *(group.name for group in barred_groups.values())]),
    )
