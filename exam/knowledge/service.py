"""The rule store: which rules hold on a day, a new version of a rule, its history, and the starter book."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exam.catalog import service as catalog
from exam.catalog.facts import Item
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import BadInput, NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.knowledge import rules, starter
from exam.knowledge.book import KINDS, AlertPolicy, Entry, GradeScale, Merge, Rule, RuleBook
from exam.knowledge.gate import GateCheck
from exam.knowledge.message_template import MessageTemplate
from exam.knowledge.models import KnowledgeApproval, KnowledgeRevision, KnowledgeRule
from exam.knowledge.rules import CompiledRules
from exam.knowledge.summary_wording import SummaryWording

log = logging.getLogger("exam.knowledge")

_KEPT = 24
REVISION = select(KnowledgeRevision.revision).where(KnowledgeRevision.id == 1)
"""The present revision, for a statement that asks for more at once."""



class RuleVersion(msgspec.Struct, frozen=True):
    """One kept version of a rule or merge: what it says, since when, who wrote it and why."""

    code: str
    version: int
    revision: int
    valid_from: date
    approved: bool
    source: str
    reason: str
    author: str
    at: datetime
    entry: Entry


def revision(db: Session) -> int:
    """The rule store's present revision; 0 for an empty one."""
    return db.scalar(REVISION) or 0


def rules_in_force(db: Session, on: date) -> CompiledRules:
    """The rules that hold on a day, as known now, ready to be asked."""
    return rules_of_revision(db, revision(db), on)


def rules_of_revision(db: Session, at_revision: int, on: date) -> CompiledRules:
    """The rules that hold on a day, as known at a revision. Each process keeps a few by revision and day."""
    kept: dict[tuple[int, date], CompiledRules] = house_of(db).cache.setdefault("rules", {})
    key = (at_revision, on)
    found = kept.get(key)
    if found is None:
        found = CompiledRules(_book(db, *key))
        while len(kept) >= _KEPT:
            kept.pop(next(iter(kept)), None)
        kept[key] = found
    return found


def summary_wordings(db: Session, at_revision: int | None, on: date) -> tuple[SummaryWording, ...]:
    """How summaries of visits of a day are worded, as known at a revision (None: the store is empty). One set for the whole of a
    visit, however late a result comes: a summary that was drafted must be known again as drafted when a value changes."""
    return rules_of_revision(db, at_revision or 0, on).book.summaries


def rules_known_at(db: Session, on: date, known_at: datetime) -> CompiledRules:
    """The rules that held on a day as they were known at a moment (time machine): what was published later is not in it."""
    return CompiledRules(_book(db, revision_at(db, known_at), on))


def revision_moments(db: Session) -> list[datetime]:
    """When the book changed or was approved, oldest first: so many changes were known at a moment as stand before it."""
    published = db.scalars(select(func.min(KnowledgeRule.at)).group_by(KnowledgeRule.revision))
    approved = db.scalars(select(func.min(KnowledgeApproval.at)).group_by(KnowledgeApproval.revision))
    return sorted([*published, *approved])


def revision_at(db: Session, moment: datetime) -> int:
    """The rule store's revision at a moment; 0 before the first."""
    published = select(func.max(KnowledgeRule.revision)).where(KnowledgeRule.at <= moment)
    approved = select(func.max(KnowledgeApproval.revision)).where(KnowledgeApproval.at <= moment)
    return max(db.scalar(published) or 0, db.scalar(approved) or 0)


def _book(db: Session, at_revision: int, on: date) -> RuleBook:
    """The newest version of each entry that began by that day; the order is the book's."""
    statement = (
        select(KnowledgeRule.kind, KnowledgeRule.code, KnowledgeRule.body, KnowledgeApproval.id.is_not(None).label("is_signed"))
        .outerjoin(
            KnowledgeApproval,
            (KnowledgeApproval.code == KnowledgeRule.code) & (KnowledgeApproval.version == KnowledgeRule.version)
            & (KnowledgeApproval.revision <= at_revision),
        )
        .where(KnowledgeRule.revision <= at_revision, KnowledgeRule.valid_from <= on)
        .order_by(KnowledgeRule.position, KnowledgeRule.valid_from, KnowledgeRule.version)
    )  # fmt: skip
    bodies: dict[str, Any] = {row.code: row for row in db.execute(statement)}
    return as_book(_entry(row.kind, row.body, row.is_signed) for row in bodies.values())


def _entry(kind: str, body: str, is_signed: bool) -> Entry:
    entry: Entry = msgspec.json.decode(body, type=KINDS[kind])
    return msgspec.structs.replace(entry, approved=True) if is_signed else entry


def as_book(entries: Iterable[Entry]) -> RuleBook:
    """Entries of all kinds as one book."""
    listed = tuple(entries)
    return RuleBook(
        rules=tuple(each for each in listed if isinstance(each, Rule)),
        merges=tuple(each for each in listed if isinstance(each, Merge)),
        policies=tuple(each for each in listed if isinstance(each, AlertPolicy)),
        grades=tuple(each for each in listed if isinstance(each, GradeScale)),
        templates=tuple(each for each in listed if isinstance(each, MessageTemplate)),
        checks=tuple(each for each in listed if isinstance(each, GateCheck)),
        summaries=tuple(each for each in listed if isinstance(each, SummaryWording)),
    )


def publish(db: Session, entries: Sequence[Entry], *, valid_from: date, reason: str, author: str = "") -> int:
    """Stores the next version of each rule or merge, effective from a day, as one new revision. Returns the revision.

    Version numbers are given here. Refuses a change without a reason, a rule whose own examples fail, and a book that
    would not hold together; nothing already stored is changed. `author` wrote them when another person publishes them.
    """
    if not reason.strip():
        raise Refused("knowledge.reason_missing", "修改规则必须填写原因", "请填写修改原因", "reason")
    codes = [entry.code for entry in entries]
    newest, place_of = func.max(KnowledgeRule.version), func.min(KnowledgeRule.position)
    stored = select(KnowledgeRule.code, newest.label("version"), place_of.label("position")).where(KnowledgeRule.code.in_(codes))
    known = {row.code: row for row in db.execute(stored.group_by(KnowledgeRule.code))}
    next_place = (db.scalar(select(func.max(KnowledgeRule.position))) or 0) + 1
    placed: list[tuple[int, Entry]] = []
    for number, entry in enumerate(entries):
        before = known.get(entry.code)
        version = before.version + 1 if before else 1
        place = before.position if before else next_place + number
        placed.append((place, msgspec.structs.replace(entry, version=version, valid_from=valid_from)))
    return _store(db, placed, valid_from, reason.strip(), author=author)


def kind_of(entry: Entry) -> str:
    """How the store names this kind of entry."""
    return next(kind for kind, type_ in KINDS.items() if isinstance(entry, type_))


def _store(
    db: Session, placed: Sequence[tuple[int, Entry]], valid_from: date, reason: str, *, is_checked: bool = False, author: str = ""
) -> int:
    """`is_checked` says that the new entries were tried by themselves: what a change of the catalogue broke among the stored
    ones is not theirs to answer for."""
    house, actor = house_of(db), actor_of(db)
    counter = db.execute(select(KnowledgeRevision).where(KnowledgeRevision.id == 1).with_for_update()).scalar()
    if counter is None:
        counter = KnowledgeRevision(id=1, revision=0)
        db.add(counter)
    counter.revision += 1
    db.flush()
    now = house.clock.now()
    insert_rows(
        db,
        KnowledgeRule,
        [
            {"id": house.ids.new(), "kind": kind_of(entry), "code": entry.code,
             "version": entry.version, "revision": counter.revision, "position": place,
             "body": msgspec.json.encode(entry).decode(), "valid_from": valid_from, "approved": entry.approved,
             "source": entry.source, "reason": reason, "author": author or actor.name, "at": now}
            for place, entry in placed
        ],
    )  # fmt: skip
    problems = () if is_checked else _caused(db, counter.revision, {entry.code for _, entry in placed}, max(valid_from, day_of(now)))
    if problems:
        raise BadInput([("", problem) for problem in problems[:20]], code="knowledge.inconsistent")
    audit.note(db, "knowledge.publish", subject=f"knowledge:{counter.revision}", reason=reason)
    return counter.revision


def _caused(db: Session, at_revision: int, changed: Collection[str], on: date) -> Sequence[str]:
    """What is wrong with the book that this change brought about or touches; what was broken before and elsewhere is not its to
    answer for (`standing_problems` tells it)."""
    found = _problems(db, at_revision, on)
    if all(_code_of(problem) in changed for problem in found):
        return found
    before = set(_problems(db, at_revision - 1, on))
    return [problem for problem in found if problem not in before or _code_of(problem) in changed]


def _problems(db: Session, at_revision: int, on: date) -> list[str]:
    """What is wrong with the entries that hold on a day, by today's catalogue; one that has ended harms nobody."""
    today = day_of(house_of(db).clock.now())
    entries = _book(db, at_revision, on).entries
    lasting = [entry for entry in entries if entry.valid_to is None or entry.valid_to > on]
    missing = {f"没有规则 {entry.code}" for entry in entries} - {f"没有规则 {entry.code}" for entry in lasting}
    found = rules.book_problems(as_book(lasting), catalog.catalogue(db, today).items, today)
    return [problem for problem in found if problem.partition(":")[2] not in missing]  # a merge may name a rule that has ended


def _code_of(problem: str) -> str:
    return problem.partition(":")[0]


def standing_problems(db: Session) -> tuple[tuple[str, str], ...]:
    """What is wrong today with entries in force, such as a rule about an item that the catalogue does not have any more: pairs of
    the entry's code and the sentence. Read once for each state of book and catalogue."""
    today = day_of(house_of(db).clock.now())
    key = (revision(db), catalog.revision(db), today)
    kept: tuple[Any, tuple[tuple[str, str], ...]] = house_of(db).cache.get("standing_problems", (None, ()))
    if kept[0] != key:
        kept = (key, tuple((_code_of(problem), problem.partition(":")[2]) for problem in _problems(db, key[0], today)))
        house_of(db).cache["standing_problems"] = kept
    return kept[1]


def history(db: Session, code: str) -> list[RuleVersion]:
    """Every version of a rule or merge, newest first."""
    rows = db.scalars(select(KnowledgeRule).where(KnowledgeRule.code == code).order_by(KnowledgeRule.version.desc())).all()
    if not rows:
        raise NotFound(f"没有规则 {code[:40]}", "请从规则列表中选择")
    signed = set(db.scalars(select(KnowledgeApproval.version).where(KnowledgeApproval.code == code)))
    return [
        RuleVersion(
            code=row.code, version=row.version, revision=row.revision, valid_from=row.valid_from,
            approved=row.approved or row.version in signed, source=row.source, reason=row.reason, author=row.author, at=row.at,
            entry=_entry(row.kind, row.body, row.version in signed),
        )
        for row in rows
    ]  # fmt: skip


def load_starter(db: Session) -> bool:
    """Loads what the store has never had of the shipped book; False when there is nothing new. Needs the catalogue.

    What a hospital changed or ended stays as it is: an entry is known by its code, in whatever version.
    """
    known = set(db.scalars(select(KnowledgeRule.code)))
    today = day_of(house_of(db).clock.now())
    since = date(today.year - 1, 1, 1)
    new = [entry for entry in starter.load_rule_book().entries if entry.code not in known]
    if known:
        new = _fitting(new, known, catalog.catalogue(db, today).items, today)
    if not new:
        return False
    place = (db.scalar(select(func.max(KnowledgeRule.position))) or 0) + 1
    dated = [msgspec.structs.replace(entry, valid_from=entry.valid_from or since) for entry in new]
    _store(db, list(enumerate(dated, place)), since, "初始规则库" if not known else "随版本补充的规则", is_checked=bool(known))
    return True


def _fitting(entries: Sequence[Entry], known: Collection[str], items: Mapping[str, Item], on: date) -> list[Entry]:
    """What of the shipped entries fits the hospital's own catalogue: one that names an item which is not there must not keep a
    new version of the program from being installed. It is left out, and tried again at the next migration."""
    others = tuple(entry for entry in entries if not isinstance(entry, Merge))
    unfit = {entry.code: found[0] for entry in others if (found := rules.book_problems(as_book([entry]), items, on))}
    there = {*known, *(entry.code for entry in others if entry.code not in unfit)}
    for merge in entries:
        if isinstance(merge, Merge):
            named = (*merge.of, *(code for group in merge.with_one_of for code in group))
            unfit.update((merge.code, f"{merge.code}:没有规则 {code}") for code in named if code not in there)
    for problem in unfit.values():
        log.warning("shipped rule left out: %s", problem)
    return [entry for entry in entries if entry.code not in unfit]


def set_up(db: Session) -> None:
    """What `exam migrate` does for this room: the starter book, and later what new versions of the program ship beside it."""
    load_starter(db)
