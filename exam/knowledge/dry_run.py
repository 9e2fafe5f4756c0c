"""Try a changed entry over past visits: on whom it would speak, who loses a conclusion and who gains one.

It works in a thread of its own for a bounded time and keeps its answer in this process only: nothing is stored, and what is
shown says how many visits were looked at of how many.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from exam.kit.errors import NotFound, trace_of
from exam.kit.house import Actor, House, actor_of, house_of
from exam.kit.masks import mask_name
from exam.knowledge import service, words
from exam.knowledge.book import Entry, Merge, Rule
from exam.knowledge.facts import PAST_CASES, Case, PastCase
from exam.knowledge.rules import CompiledRules, compiled, suggest
from exam.knowledge.rules.conclusions import PLAIN_RULE, is_in_force

log = logging.getLogger("exam.knowledge")

MOST_VISITS = 10_000
MOST_SECONDS = 60.0
MOST_LISTED = 2_000
MOST_KEPT = 20
PAGE_SIZE = 50
KINDS = ("rule", "merge")  # what makes conclusions
LISTS = {"": "结论有变化", "lost": "失去结论", "gained": "新增结论", "speaks": "触发"}


class Judged(msgspec.Struct, frozen=True):
    """What a changed entry makes of one case: whether it spoke and would speak, and the conclusions lost and gained, as texts."""

    spoke: bool
    would_speak: bool
    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()


class Touched(msgspec.Struct, frozen=True):
    """One visit on which the entry would speak, or whose conclusions it changes."""

    visit_no: str
    exam_on: date
    name: str
    url: str
    judged: Judged


@dataclass
class DryRun:
    """A dry run and how far it is; one thread writes it, pages read it."""

    id: UUID
    owner: UUID | None
    code: str
    title: str
    on: date
    total: int = 0
    checked: int = 0
    spoke: int = 0
    would_speak: int = 0
    losing: int = 0
    gaining: int = 0
    touched: list[Touched] = field(default_factory=list)
    is_done: bool = False
    is_cut: bool = False
    fault: str = ""
    stop: bool = False


class Trial:
    """The present book and the one with the changed entries in it, both as of one day; `judge` compares them on a case."""

    def __init__(self, before: CompiledRules, entries: Sequence[Entry], on: date) -> None:
        self.on = on
        self.before = before
        changed = {each.code: msgspec.structs.replace(each, valid_from=None) for each in entries}
        old = {each.code: each for each in before.book.entries if each.code in changed}
        held = [changed.get(each.code, each) for each in before.book.entries]
        self.after = CompiledRules(service.as_book([*held, *(each for code, each in changed.items() if code not in old)]))
        self._merges = frozenset(code for code, each in changed.items() if isinstance(each, Merge))
        self._tests = [
            [compiled(each.condition) for each in several if isinstance(each, Rule) and is_in_force(each, on)]
            for several in (old.values(), changed.values())
        ]

    def judge(self, case: Case) -> Judged:
        """Both books on one case, as if it were of the day of the trial."""
        case = msgspec.structs.replace(case, on=self.on)
        spoke, would = (any(test(case) for test in tests) for tests in self._tests)
        if not self._merges and not spoke and not would:
            return Judged(False, False)  # where they speak in neither book, both say the same
        old = {line.key: line.text for line in suggest(case, self.before)}
        new = {line.key: line.text for line in suggest(case, self.after)}
        return Judged(
            spoke or not self._merges.isdisjoint(old), would or not self._merges.isdisjoint(new), _missing(old, new), _missing(new, old)
        )


def _missing(there: dict[str, str], other: dict[str, str]) -> tuple[str, ...]:
    """Conclusions of rules only: a plain line for the value takes the place of one that goes."""
    return tuple(text for key, text in there.items() if key not in other and not key.startswith(f"{PLAIN_RULE}:"))


def start(db: Session, entries: Sequence[Entry], on: date) -> DryRun:
    """Begins a dry run of changed entries together in the background for the actor; an earlier one of theirs is stopped."""
    house, actor = house_of(db), actor_of(db)
    code, title = (entries[0].code, words.title_of(entries[0])) if len(entries) == 1 else ("", f"{len(entries)} 项修改一起")
    run = DryRun(house.ids.new(), actor.staff_id, code, title, on)
    kept = _kept(house)
    for each in list(kept.values()):
        if each.owner == actor.staff_id:
            each.stop = True
    while len(kept) >= MOST_KEPT:
        kept.pop(next(iter(kept)), None)
    kept[run.id] = run
    trial = Trial(service.rules_in_force(db, on), entries, on)
    threading.Thread(target=_work, args=(house, actor, run, trial), name="dry-run", daemon=True).start()
    return run


def found(db: Session, run_id: UUID) -> DryRun:
    """A dry run of the actor's own. Raises NotFound, also after a restart."""
    run = _kept(house_of(db)).get(run_id)
    if run is None or run.owner != actor_of(db).staff_id:
        raise NotFound("没有该试运行", "试运行的结果不保存;请重新试运行")
    return run


def _kept(house: House) -> dict[UUID, DryRun]:
    runs: dict[UUID, DryRun] = house.cache.setdefault("dry_runs", {})
    return runs


def _work(house: House, actor: Actor, run: DryRun, trial: Trial) -> None:
    try:
        with house.unit(actor, write=False) as db:
            carry_out(db, run, trial)
    except Exception as error:
        log.error("dry run failed\n%s", trace_of(error))
        run.fault = "试运行出错,请重试"
    run.is_done = True


def carry_out(db: Session, run: DryRun, trial: Trial, seconds: float = MOST_SECONDS, most: int = MOST_VISITS) -> None:
    """Judges the past visits one after the other until all are done, the time is up, or a newer run takes the place."""
    fillings = house_of(db).modules.fillings(PAST_CASES)
    past = [fill(db, most) for fill in fillings]
    run.total = sum(each.total for each in past)
    ends = time.monotonic() + seconds
    for each in (case for several in past for case in several.cases):
        if run.stop or time.monotonic() > ends:
            run.is_cut = True
            return
        count(run, each, trial.judge(each.case))


def count(run: DryRun, past: PastCase, judged: Judged) -> None:
    """Adds one visit to a run."""
    run.checked += 1
    run.spoke += judged.spoke
    run.would_speak += judged.would_speak
    run.losing += bool(judged.lost)
    run.gaining += bool(judged.gained)
    if (judged.would_speak or judged.lost or judged.gained) and len(run.touched) < MOST_LISTED:
        run.touched.append(Touched(past.visit_no, past.exam_on, mask_name(past.person_name), past.url, judged))


def listed(run: DryRun, only: str = "") -> list[Touched]:
    """The visits of one of the LISTS of a run."""
    rows = list(run.touched)
    if only == "lost":
        return [each for each in rows if each.judged.lost]
    if only == "gained":
        return [each for each in rows if each.judged.gained]
    if only == "speaks":
        return [each for each in rows if each.judged.would_speak]
    return [each for each in rows if each.judged.lost or each.judged.gained]


def pages_of(rows: list[Touched], page: int) -> tuple[list[Touched], int, int]:
    """A page of the list, its number and how many there are."""
    pages = max(1, -(-len(rows) // PAGE_SIZE))
    at = min(max(page, 1), pages)
    return rows[(at - 1) * PAGE_SIZE : at * PAGE_SIZE], at, pages


