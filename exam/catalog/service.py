"""The catalogue: look it up for a day, change an entry with an effective date, import and compare."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, TypeVar

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from exam.catalog import columns, rules
from exam.catalog.facts import Catalogue, CatalogueChanged, Department, Item, ItemGroup, Package, Tube
from exam.catalog.models import CatalogEntry, CatalogRevision
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import BadInput, NotFound, Refused, Stale
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of

Entry = Department | Item | ItemGroup | Package | Tube
E = TypeVar("E", Department, Item, ItemGroup, Package, Tube)

KINDS: dict[str, type[Any]] = {"department": Department, "item": Item, "group": ItemGroup, "package": Package, "tube": Tube}
KIND_NAMES = {"department": "科室", "item": "项目", "group": "组合", "package": "套餐", "tube": "试管"}

_KEPT = 24
_KEPT_DAYS = 400
"""Days share what stands between two changes: a day more costs nearly nothing."""
_REVISION = select(CatalogRevision.revision).where(CatalogRevision.id == 1)


class Version(msgspec.Struct, frozen=True):
    """One version of one entry with who made it, for the history."""

    kind: str
    code: str
    revision: int
    valid_from: date
    retired: bool
    entry: Entry
    source: str
    reason: str
    changed_by: str
    changed_at: Any


def kind_of(entry: Entry) -> str:
    """The kind's name in the table."""
    return next(name for name, type_ in KINDS.items() if type(entry) is type_)


def revision(db: Session) -> int:
    """The catalogue's present revision; 0 for an empty one."""
    return db.scalar(_REVISION) or 0


def catalogue(db: Session, on: date) -> Catalogue:
    """The catalogue as known now, for a day."""
    return catalogue_at(db, revision(db), on)


def catalogue_at(db: Session, at_revision: int, on: date) -> Catalogue:
    """The catalogue as known at a revision, for a day. What it says never changes, so each process keeps a few."""
    kept: dict[tuple[int, date], Catalogue] = house_of(db).cache.setdefault("catalogues", {})
    found = kept.get((at_revision, on))
    if found is None:
        # It says the same on every day from one change to the next, so that much is read once for all of them.
        since = max((day for day in _days_of_change(db, at_revision) if day <= on), default=date.min)
        found = msgspec.structs.replace(_whole(db, at_revision, since), on=on)
        _keep(kept, (at_revision, on), found, _KEPT_DAYS)
    return found


def _whole(db: Session, at_revision: int, since: date) -> Catalogue:
    kept: dict[tuple[int, date], Catalogue] = house_of(db).cache.setdefault("whole_catalogues", {})
    found = kept.get((at_revision, since))
    if found is None:
        found = _load(db, at_revision, since)
        _keep(kept, (at_revision, since), found, _KEPT)
    return found


def _keep(kept: dict[tuple[int, date], Catalogue], key: tuple[int, date], found: Catalogue, most: int) -> None:
    while len(kept) >= most:
        kept.pop(next(iter(kept)), None)
    kept[key] = found


def _days_of_change(db: Session, at_revision: int) -> tuple[date, ...]:
    """The days from which some version of a revision holds."""
    kept: dict[int, tuple[date, ...]] = house_of(db).cache.setdefault("catalogue_days", {})
    if at_revision not in kept:
        kept[at_revision] = tuple(
            db.scalars(select(CatalogEntry.valid_from).where(CatalogEntry.revision <= at_revision).distinct())
        )
    return kept[at_revision]


def _load(db: Session, at_revision: int, on: date) -> Catalogue:
    statement = (
        select(CatalogEntry.kind, CatalogEntry.code, CatalogEntry.retired, CatalogEntry.body)
        .where(CatalogEntry.revision <= at_revision, CatalogEntry.valid_from <= on)
        .order_by(CatalogEntry.valid_from, CatalogEntry.revision)
    )
    holding: dict[str, dict[str, tuple[bool, str]]] = {kind: {} for kind in KINDS}
    for kind, code, retired, body in db.execute(statement):
        holding[kind][code] = (retired, body)
    entries = {
        kind: {
            entry.code: entry
            for retired, body in found.values()
            if not retired
            for entry in [msgspec.json.decode(body, type=KINDS[kind])]
        }
        for kind, found in holding.items()
    }
    return Catalogue(
        revision=at_revision, on=on,
        departments=_ordered(entries["department"]), items=_ordered(entries["item"]), groups=_ordered(entries["group"]),
        packages=_ordered(entries["package"]), tubes=entries["tube"],
    )  # fmt: skip


def _ordered(entries: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(entries.items(), key=lambda each: (each[1].order, each[0])))


def change(
    db: Session, entries: Sequence[Entry], *, valid_from: date, source: str, reason: str, seen_revision: int | None = None,
    retired: Sequence[Entry] = (), act: str = "catalog.change",
) -> int:  # fmt: skip
    """Stores new versions, effective from a day, as one new revision; `retired` end on that day. Returns the revision.

    Refuses a catalogue that would not hold together (a group naming an unknown item, overlapping ranges, a package price
    that is not factor × sum …), a change without a reason, and one based on a catalogue that somebody else changed.
    """
    house, actor = house_of(db), actor_of(db)
    if not reason.strip():
        raise Refused("catalog.reason_missing", "修改目录必须填写原因", "请填写修改原因", "reason")
    before = revision(db)
    if seen_revision is not None and seen_revision != before:
        raise Stale("目录已被他人修改", "请刷新后核对最新内容再保存")
    if before == 0:
        db.execute(insert(CatalogRevision).values(id=1, revision=0))
    raised = db.execute(
        update(CatalogRevision).where(CatalogRevision.id == 1, CatalogRevision.revision == before).values(revision=before + 1)
    )
    if raised.rowcount != 1:  # type: ignore[attr-defined]
        raise Stale("目录已被他人修改", "请刷新后核对最新内容再保存")
    now = house.clock.now()
    insert_rows(
        db,
        CatalogEntry,
        [
            {"id": house.ids.new(), "kind": kind_of(entry), "code": entry.code, "revision": before + 1, "valid_from": valid_from,
             "retired": is_retired, "body": msgspec.json.encode(entry).decode(), "source": source, "reason": reason,
             "changed_by": actor.name, "changed_at": now}
            for is_retired, several in ((False, entries), (True, retired))
            for entry in several
        ],
    )  # fmt: skip
    _note_revision(db)
    result = _load(db, before + 1, valid_from)
    problems = rules.validate(result)
    if problems:
        raise BadInput([("", problem) for problem in problems[:20]], code="catalog.inconsistent")
    names = tuple(f"{kind_of(entry)}:{entry.code}" for entry in (*entries, *retired))
    audit.note(db, act, subject=f"catalog:{before + 1}", reason=reason)
    announce(db, CatalogueChanged(before + 1, names if len(names) <= 50 else (*names[:50], f"+{len(names) - 50}")))
    return before + 1


def save(db: Session, entry: Entry, *, valid_from: date, reason: str, seen_revision: int, is_new: bool = False) -> list[Package]:
    """Stores one entry from a day on, and with a group's new price the packages that contain it; returns those packages."""
    now = _from_today(db, valid_from)
    present = _by_kind(now)[kind_of(entry)]
    if is_new and (entry.code in present or _was_used(db, kind_of(entry), entry.code)):
        text = f"{KIND_NAMES[kind_of(entry)]}编码 {entry.code} 已被使用过"
        raise Refused("catalog.code_taken", text, "请换一个编码,或修改已有条目", "code")
    if present.get(entry.code) == entry and not is_new:
        raise Refused("catalog.nothing_changed", "没有修改任何内容", "请修改后再保存")
    groups = {**now.groups, entry.code: entry} if isinstance(entry, ItemGroup) else now.groups
    repriced = rules.repriced(now.packages, groups, entry.code) if isinstance(entry, ItemGroup) else []
    change(db, [entry, *repriced], valid_from=valid_from, source="screen", reason=reason, seen_revision=seen_revision)
    return repriced


def retire(db: Session, kind: str, code: str, *, valid_from: date, reason: str, seen_revision: int) -> None:
    """Ends an entry on a day: it can no longer be ordered; earlier visits keep it."""
    entry = _by_kind(_from_today(db, valid_from)).get(kind, {}).get(code)
    if entry is None:
        raise NotFound("没有该条目或已停用", "请从列表中选择")
    change(db, [], retired=[entry], valid_from=valid_from, source="screen", reason=reason, seen_revision=seen_revision)


def compare(db: Session, entries: Sequence[Entry], valid_from: date) -> list[columns.Difference]:
    """What a whole new catalogue would change against the one that holds on a day."""
    return columns.differences(_by_kind(catalogue(db, valid_from)), [(kind_of(entry), entry) for entry in entries])


def problems_of(db: Session, entries: Sequence[Entry], valid_from: date) -> list[str]:
    """What the rules find wrong with these entries as a whole catalogue."""
    found: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    for entry in entries:
        found[kind_of(entry)][entry.code] = entry
    return rules.validate(
        Catalogue(
            revision=revision(db), on=valid_from, departments=found["department"], items=found["item"], groups=found["group"],
            packages=found["package"], tubes=found["tube"],
        )
    )  # fmt: skip


def replace(db: Session, entries: Sequence[Entry], *, valid_from: date, reason: str, seen_revision: int) -> int:
    """Makes these entries the whole catalogue from a day on, as one revision: what is not among them is retired."""
    now = _by_kind(_from_today(db, valid_from))
    differing = columns.differences(now, [(kind_of(entry), entry) for entry in entries])
    if not differing:
        raise Refused("catalog.nothing_changed", "文件与现有目录完全相同", "无需导入")
    touched = {(each.kind, each.code) for each in differing}
    return change(
        db, [entry for entry in entries if (kind_of(entry), entry.code) in touched], valid_from=valid_from, source="workbook",
        retired=[now[each.kind][each.code] for each in differing if each.act == "retired"], reason=reason,
        seen_revision=seen_revision, act="catalog.import",
    )  # fmt: skip


def _from_today(db: Session, valid_from: date) -> Catalogue:
    if valid_from < day_of(house_of(db).clock.now()):
        raise Refused("catalog.past", "生效日期不能早于今天", "请选择今天或以后的日期", "valid_from")
    return catalogue(db, valid_from)


def _by_kind(found: Catalogue) -> dict[str, dict[str, Any]]:
    return {
        "department": found.departments, "tube": found.tubes, "item": found.items, "group": found.groups, "package": found.packages,
    }  # fmt: skip


def _was_used(db: Session, kind: str, code: str) -> bool:
    used = select(CatalogEntry.id).where(CatalogEntry.kind == kind, CatalogEntry.code == code).limit(1)
    return db.scalar(used) is not None


def _note_revision(db: Session) -> None:
    """The counter is raised by a statement; its audited digest has to follow."""
    from exam.kit.db import row_digest

    table: Any = CatalogRevision.__table__
    now = db.execute(select(table)).one()
    db.info.setdefault("changed_rows", []).append((table.name, str(now.id), row_digest(table, dict(now._mapping))))


def department_list(db: Session) -> list[tuple[str, str]]:
    """`(code, name)` of today's departments, in order."""
    today = day_of(house_of(db).clock.now())
    return [(each.code, each.name) for each in catalogue(db, today).departments.values()]


def history(db: Session, kind: str, code: str) -> list[Version]:
    """Every version of one entry, newest first."""
    if kind not in KINDS:
        raise NotFound
    rows = db.scalars(
        select(CatalogEntry).where(CatalogEntry.kind == kind, CatalogEntry.code == code).order_by(CatalogEntry.revision.desc())
    ).all()
    if not rows:
        raise NotFound(f"没有{KIND_NAMES[kind]} {code[:40]}", "请从列表中选择")
    return [
        Version(
            kind=row.kind, code=row.code, revision=row.revision, valid_from=row.valid_from, retired=row.retired,
            entry=msgspec.json.decode(row.body, type=KINDS[kind]), source=row.source, reason=row.reason,
            changed_by=row.changed_by, changed_at=row.changed_at,
        )
        for row in rows
    ]  # fmt: skip


def load_starter(db: Session) -> bool:
    """Loads the starter catalogue into an empty database; False when there is a catalogue already."""
    if revision(db):
        return False
    from exam.catalog import starter

    loaded = starter.load()
    entries = [
        entry
        for part in (loaded.departments, loaded.tubes, loaded.items, loaded.groups, loaded.packages)
        for entry in (part.values() if isinstance(part, dict) else part)
    ]
    today = day_of(house_of(db).clock.now())
    change(db, entries, valid_from=date(today.year - 1, 1, 1), source="starter", reason="初始目录")
    return True


def with_shipped(db: Session) -> tuple[Catalogue, tuple[str, ...]]:
    """Today's catalogue with what the starter has beyond it, and the `kind:code` of what was added or widened.

    Only a proposal, nothing is stored: what can be ordered, and at which price, is the hospital's own. Added is what the store has
    never had, so nothing retired comes back; a group is left out while something it names is missing, and a group that is there
    only gets the new items that the shipped one may leave empty. Packages stay as they are.
    """
    from exam.catalog import starter

    now = catalogue(db, day_of(house_of(db).clock.now()))
    shipped = starter.as_catalogue(starter.load(), now.revision, now.on)
    used = {(kind, code) for kind, code in db.execute(select(CatalogEntry.kind, CatalogEntry.code).distinct())}
    departments = now.departments | {code: each for code, each in shipped.departments.items() if ("department", code) not in used}
    tubes = now.tubes | {code: each for code, each in shipped.tubes.items() if ("tube", code) not in used}
    fresh = {code: each for code, each in shipped.items.items() if ("item", code) not in used and each.department in departments}
    items = now.items | fresh
    groups = dict(now.groups)
    for code, group in shipped.groups.items():
        present = now.groups.get(code)
        if present is not None:
            more = tuple(each for each in group.items if each in fresh and fresh[each].optional)
            groups[code] = msgspec.structs.replace(present, items=(*present.items, *more)) if more else present
        elif ("group", code) not in used and _is_whole(group, departments, tubes, items):
            groups[code] = group
    found = msgspec.structs.replace(
        now, departments=_ordered(departments), items=_ordered(items), groups=_ordered(groups), tubes=tubes
    )  # fmt: skip
    before = _by_kind(now)
    return found, tuple(
        f"{kind}:{code}"
        for kind, several in _by_kind(found).items()
        for code, each in several.items()
        if before[kind].get(code) != each
    )


def _is_whole(group: ItemGroup, departments: dict[str, Department], tubes: dict[str, Tube], items: dict[str, Item]) -> bool:
    return group.department in departments and (group.tube is None or group.tube in tubes) and set(group.items) <= items.keys()
