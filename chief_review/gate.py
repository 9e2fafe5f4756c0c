"""The contradiction gate of a review (发布前核查): gathers what the checks in force compare, and gives blocks and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from chief_review.facts import RELEASE_BLOCKS, Block, ConclusionLine
from critical_values import service as alerts
from exam.kit.house import house_of
from exam.knowledge import rules as knowledge
from exam.knowledge.book import RuleBook
from exam.knowledge.facts import ALERT_CLASS_NAMES, Case
from exam.knowledge.gate import GateFinding, GateInput, GateLine, GateOrder
from exam.knowledge.rules.gate import CompiledGate
from exam.knowledge.summary_wording import STANDARD, SummaryWording
from exam.visits.facts import OrderLine
from results.facts import DepartmentResult

BLOCK_CODE = "chief_review.gate"
_KEPT = 8


def findings(
    db: Session, book: RuleBook, lines: Sequence[ConclusionLine], case: Case, departments: Sequence[DepartmentResult],
    ordered: Sequence[OrderLine],
) -> tuple[GateFinding, ...]:
    """What a book's checks say about a review, blocking ones first; the book is the one in force on the day of the visit."""
    summaries = tuple(
        own_words(each, knowledge.wording_for(book.summaries, each.department, case.on)) for each in departments if each.summary
    )
    given = GateInput(
        case=case, summaries=summaries, lines=tuple(line_of(each) for each in lines),
        orders=tuple(GateOrder(each.name, each.state.value) for each in ordered if not each.service_only),
    )  # fmt: skip
    return _gate_of(db, book).findings(given)


def own_words(department: DepartmentResult, wording: SummaryWording = STANDARD) -> str:
    """A department's summary without what was drafted from its values: these are compared as values."""
    drafted = {knowledge.phrase(reading, wording) for reading in department.readings}
    return ";".join(part for part in department.summary.split(";") if part not in drafted)


def line_of(line: ConclusionLine) -> GateLine:
    """A conclusion as the gate reads it: untouched, its rule answers for it; in other words only what a doctor put under it."""
    is_by_rule = line.origin == "rule"
    items = line.covers if is_by_rule else line.attached
    pairs = {(item, "") for item in items} | {pair for pair in line.covers_choices if pair[0] in items}
    return GateLine(line.text, frozenset(pairs), is_by_rule)


def blocks_of(found: Sequence[GateFinding]) -> tuple[Block, ...]:
    """The findings that keep a review from being signed and its report from being issued, each with its remedy."""
    return tuple(Block(BLOCK_CODE, each.text, each.remedy) for each in found if each.is_blocking)


def release_blocks(db: Session, visit_id: UUID) -> tuple[Block, ...]:
    """The critical and important findings that nobody was told of, nor tried to tell (T15), and what upper rooms hold against
    the release of a visit's report."""
    untold = alerts.untold(db, visit_id)
    found = [block for fill in house_of(db).modules.fillings(RELEASE_BLOCKS) for block in fill(db, visit_id)]
    if untold:
        # The sentence is kept with a waiting issue and read by whoever issues reports: it tells of no private item.
        classes = [("隐私项目" if each.is_private else each.name, ALERT_CLASS_NAMES[each.alert_class]) for each in untold[:6]]
        names = "、".join(name if of_class in name else f"{name}({of_class})" for name, of_class in classes)
        more = f"等 {len(untold)} 项" if len(untold) > 6 else ""
        text = f"危急值或重要异常尚无通知记录:{names}{more}"
        found.insert(0, Block("chief_review.alert_untold", text, "请在危急值看板复核并通知受检者(未联系上也须登记)"))
    return tuple(found)


def _gate_of(db: Session, book: RuleBook) -> CompiledGate:
    """The book's checks, compiled once per process and book; the book is kept with them, so that its id stays its own."""
    kept: dict[int, tuple[RuleBook, CompiledGate]] = house_of(db).cache.setdefault("gate", {})
    held = kept.get(id(book))
    if held is None:
        held = (book, CompiledGate(book.checks))
        while len(kept) >= _KEPT:
            kept.pop(next(iter(kept)), None)
        kept[id(book)] = held
    return held[1]
