"""The desk's rules: the board's predicates, places of a day, what a sheet return does, and which package fits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from exam.catalog import rules as catalog_rules
from exam.catalog.facts import Catalogue, DepartmentKind, ItemGroup, Package
from exam.kit.clock import day_of
from exam.kit.errors import BadInput, Refused
from exam.visits.facts import AWAY, BEGUN, CATEGORY_NAMES, LINE_STATE_NAMES, LineState, OrderLine, VisitCard, VisitState
from registration.facts import WOMENS_REASONS, BoardRow, ConsentGiver, GroupChoice, OpenLineChoice, PackageChoice, Quote, Tile

DEFAULT_CAPACITY = 150
"""Places a day until the desk chief says otherwise; source: kit."""
MOST_CAPACITY = 5000
BOOKABLE_DAYS = 365
"""How far ahead a visit may be booked, in days; source: kit."""

GONE = frozenset({LineState.REMOVED, LineState.REFUSED})
"""States of lines that will not be examined."""

TO_BE_DONE = frozenset({LineState.PENDING, LineState.POSTPONED})
"""States of lines of which nothing was done yet, now or later."""

ORDER_OPEN = frozenset(
    {
        VisitState.BOOKED, VisitState.REGISTERED, VisitState.CHECKED_IN, VisitState.IN_EXAM, VisitState.SHEET_RETURNED,
        VisitState.SECTIONS_DONE,
    }
)  # fmt: skip
"""States in which lines may still be added, refused or taken off (T6-T9)."""

PRINTED_AHEAD = frozenset({VisitState.BOOKED, VisitState.REGISTERED, VisitState.CHECKED_IN, VisitState.IN_EXAM})
"""States of a visit for which a company's guide sheets and labels may be printed."""

CONSENTING_AGE = 14
"""Younger than this, the guardian consents, in years; source: PIPL art. 31."""
MOST_CONSENT_LETTERS = 4000

WOMENS_WORDS = ("女性", "经期", "月经", "怀孕", "备孕", "妊娠", "孕妇", "哺乳")
MENS_WORDS = ("男性",)
FASTING_WORDS = ("空腹", "禁食")
BLADDER_WORDS = ("憋尿",)


CLAUSE_ENDS = ",,;;。 "
_CLAUSE = re.compile(r"[^,,;;。]+[,,;;。]?")


# --- the board ---------------------------------------------------------------------------------------------------------


def _is_on(moment: datetime | None, day: date) -> bool:
    return moment is not None and day_of(moment) == day


def is_booked(row: BoardRow, day: date) -> bool:
    """已预约: the appointment is for this day, and the person was neither registered nor has arrived (domain.md §1.4)."""
    return row.exam_on == day and row.state == VisitState.BOOKED


def is_to_pay(row: BoardRow, day: date) -> bool:
    """待交费: registered for this day, and the person's own part is not paid in full (domain.md §1.4)."""
    is_live = row.state not in (VisitState.BOOKED, *AWAY)
    return row.exam_on == day and is_live and row.registered_at is not None and row.amount_due_fen > 0


def is_checked_in(row: BoardRow, day: date) -> bool:
    """已报到: checked in on this day, and still so; drawing blood changes nothing about it (domain.md §1.4)."""
    return row.exam_on == day and row.state not in AWAY and _is_on(row.checked_in_at, day)


def is_blood_drawn(row: BoardRow, day: date) -> bool:
    """已抽血: at least one blood tube of a visit of this day was collected on this day (domain.md §1.4)."""
    return row.exam_on == day and row.state not in AWAY and _is_on(row.blood_drawn_at, day)


def is_examined(row: BoardRow, day: date) -> bool:
    """已检查: the guide sheet of a visit of this day was returned on this day (domain.md §1.4)."""
    return row.exam_on == day and row.state not in AWAY and _is_on(row.sheet_returned_at, day)


PREDICATES = {
    Tile.BOOKED: is_booked,
    Tile.TO_PAY: is_to_pay,
    Tile.CHECKED_IN: is_checked_in,
    Tile.BLOOD_DRAWN: is_blood_drawn,
    Tile.EXAMINED: is_examined,
}


def waiting(own: Iterable[VisitCard], day: date) -> VisitCard | None:
    """The visit that a person who stands at the desk came for: the one booked for this day, or one on an employer's list."""
    cards = list(own)
    booked = (card for card in cards if card.exam_on == day and card.state == VisitState.BOOKED)
    listed = (card for card in sorted(cards, key=lambda card: card.exam_on) if card.state == VisitState.LISTED and card.exam_on >= day)
    return next(booked, None) or next(listed, None)


# --- places ------------------------------------------------------------------------------------------------------------


def require_place(day: date, capacity: int, taken: int) -> None:
    """Refuses a booking for a day whose places are all taken (T1)."""
    if taken >= capacity:
        raise Refused(
            "registration.day_full",
            f"{day.isoformat()} 的名额已满(共 {capacity} 个)",
            "请改选其他日期,或由前台主管调整当日名额",
            "exam_on",
        )


def require_bookable(day: date, today: date) -> None:
    """Refuses a booking for a past day, or one further ahead than a year."""
    if day < today:
        raise Refused("registration.day_past", f"预约日期 {day.isoformat()} 已过", "请选择今天或之后的日期", "exam_on")
    if (day - today).days > BOOKABLE_DAYS:
        raise Refused("registration.day_far", f"预约日期不能超过 {BOOKABLE_DAYS} 天", "请选择一年以内的日期", "exam_on")


def require_capacity(capacity: int) -> None:
    """Refuses a number of places outside 0 to 5000."""
    if not 0 <= capacity <= MOST_CAPACITY:
        raise Refused("registration.capacity", f"名额应为 0 至 {MOST_CAPACITY} 的整数", "请重新填写名额", "capacity")


def require_exam_day(exam_on: date, today: date) -> None:
    """Refuses to register or check in a visit on another day than its own."""
    if exam_on != today:
        raise Refused(
            "registration.other_day", f"该体检单的日期是 {exam_on.isoformat()},不是今天", "请先改期到今天,再办理", "exam_on"
        )


def require_category(category: str) -> None:
    """Refuses a category of exam that the house does not know."""
    if category not in CATEGORY_NAMES:
        raise Refused("registration.unknown_category", f"没有体检类别“{category[:20]}”", "请从列表中选择体检类别", "category")


def require_reason(reason: str, action: str) -> str:
    """A reason of 2 to 200 characters, trimmed."""
    plain = " ".join(reason.split())
    if len(plain) < 2 or len(plain) > 200:
        raise Refused("registration.reason_missing", f"{action}必须填写原因(2 至 200 字)", "请选择或填写原因", "reason")
    return plain


def reasons_for(reasons: Iterable[str], sex: str) -> tuple[str, ...]:
    """The usual reasons that a person of this sex may have."""
    return tuple(reason for reason in reasons if sex == "F" or reason not in WOMENS_REASONS)


# --- sheet return ------------------------------------------------------------------------------------------------------


def open_lines(lines: Iterable[OrderLine]) -> tuple[OrderLine, ...]:
    """The lines that nobody has examined, refused or postponed; services without an examination never count (T11)."""
    return tuple(line for line in lines if line.state == LineState.PENDING and not line.service_only)


def check_choices(lines: Sequence[OrderLine], choices: Sequence[OpenLineChoice], exam_on: date) -> None:
    """Manual return wants one sound choice for each open line, and none for any other. Tells every problem at once."""
    by_line = {choice.line_id: choice for choice in choices}
    problems: list[tuple[str, str]] = []
    for line in lines:
        choice = by_line.pop(line.id, None)
        field = f"choice-{line.id}"
        if choice is None or choice.choice not in ("refuse", "postpone"):
            problems.append((field, f"“{line.name}”未检,请选择拒检或延期"))
        elif choice.choice == "postpone" and (choice.due_on is None or choice.due_on <= exam_on):
            problems.append((f"due-{line.id}", f"“{line.name}”的延期日期必须晚于体检日期"))
        elif choice.choice == "refuse" and not choice.reason.strip():
            problems.append((f"reason-{line.id}", f"“{line.name}”的拒检原因未填写"))
    problems += [("choices", "含有不是待检状态的项目,请刷新后重试")] * bool(by_line)
    if problems:
        raise BadInput(problems, code="registration.choice_missing")


def require_own_return(returned_by: UUID | None, returned_at: datetime | None, actor_id: UUID | None, today: date) -> None:
    """Refuses reception to give back a sheet that somebody else took, or that was taken on an earlier day (T11)."""
    if returned_at is None:
        return  # nothing was returned: the state table refuses with its own words
    if returned_by != actor_id or day_of(returned_at) != today:
        raise Refused("registration.not_own_return", "只能撤销本人当天办理的交单", "请由前台主管撤销交单")


# --- cancelling --------------------------------------------------------------------------------------------------------


def require_cancellable(state: VisitState, lines: Iterable[OrderLine], collected: int) -> None:
    """T18: refuses to cancel once a tube was collected or anything was examined."""
    if collected:
        raise Refused(
            "registration.tubes_collected", f"已采集 {collected} 管标本,不能取消登记", "请先在采血页撤销采集,或改为逐项拒检"
        )
    busy = [line for line in lines if line.state in BEGUN]
    if busy:
        shown = LINE_STATE_NAMES[busy[0].state]
        raise Refused(
            "registration.already_examined", f"“{busy[0].name}”{shown},不能取消登记", "已开始检查的体检单请办理拒检后交单"
        )
    if state not in (VisitState.LISTED, VisitState.BOOKED, VisitState.REGISTERED, VisitState.CHECKED_IN):
        raise Refused("registration.not_cancellable", "当前状态不能取消登记", "请刷新页面查看最新状态")


# --- consent -----------------------------------------------------------------------------------------------------------


def private_line_ids(catalogue: Catalogue, lines: Iterable[OrderLine]) -> frozenset[UUID]:
    """The lines whose group, or any item of it, is private (HBV, HIV, syphilis, pregnancy)."""
    return frozenset(
        line.id for line in lines
        if line.group_code in catalogue.groups and catalog_rules.is_private_group(catalogue, catalogue.groups[line.group_code])
    )  # fmt: skip


def consent_giver(age: int) -> ConsentGiver:
    """Who signs for a person of this age, in years."""
    return ConsentGiver.GUARDIAN if age < CONSENTING_AGE else ConsentGiver.PERSON


def require_consent_text(body: str, source: str) -> tuple[str, str]:
    """A consent text of 20 to 4000 characters and where it comes from, trimmed. Tells every problem at once."""
    plain, origin = body.replace("\r\n", "\n").strip(), source.strip()
    problems = []
    if not 20 <= len(plain) <= MOST_CONSENT_LETTERS:
        problems.append(("body", f"知情同意书正文应为 20 至 {MOST_CONSENT_LETTERS} 字,现为 {len(plain)} 字"))
    if not 2 <= len(origin) <= 100:
        problems.append(("source", "来源或审定说明应为 2 至 100 字,例如“本院伦理委员会 2026-11-20 审定”"))
    if problems:
        raise BadInput(problems, code="registration.consent_text")
    return plain, origin


# --- packages and groups -----------------------------------------------------------------------------------------------


def package_choices(catalogue: Catalogue, sex: str, age: int | None) -> tuple[PackageChoice, ...]:
    """Every package with what speaks against it for a person of this sex and age (None: not known yet)."""
    found = []
    for package in catalogue.packages.values():
        blocked, warnings = _against(catalogue, package, sex, age)
        found.append(
            PackageChoice(
                code=package.code, name=package.name, price_fen=package.price_fen, category=package.category,
                group_count=len(package.groups), blocked=blocked, warnings=warnings,
            )
        )  # fmt: skip
    return tuple(found)


def _against(catalogue: Catalogue, package: Package, sex: str, age: int | None) -> tuple[str, tuple[str, ...]]:
    if not sex or age is None:
        return "", ()
    groups = catalog_rules.expand(catalogue, package.code, ())
    found = catalog_rules.conflicts(catalogue, groups, sex, age, package.category, package.code)
    blocking = next((conflict.text for conflict in found if conflict.is_blocking), "")
    return blocking, tuple(conflict.text for conflict in found if not conflict.is_blocking)


def preselect(choices: Sequence[PackageChoice], last: str = "") -> str:
    """The package to offer first: last time's where it still fits, else the fullest one that fits without a warning."""
    fitting = [choice for choice in choices if not choice.blocked and not choice.warnings and choice.category == "health"]
    if any(choice.code == last for choice in choices if not choice.blocked):
        return last
    sexed = max(fitting, key=lambda choice: (choice.group_count, choice.code), default=None)
    return sexed.code if sexed else ""


def quote(catalogue: Catalogue, package: str, extra: Sequence[str], sex: str, age: int | None, category: str) -> Quote:
    """What an order costs and what contradicts it. Raises only for codes that the catalogue does not know."""
    if not package and not extra:
        return Quote(0, ())
    groups = catalog_rules.expand(catalogue, package or None, tuple(extra))
    blocked: list[str] = []
    warnings: list[str] = []
    if sex and age is not None:
        for conflict in catalog_rules.conflicts(catalogue, groups, sex, age, category, package or None):
            (blocked if conflict.is_blocking else warnings).append(conflict.text)
    chosen = catalogue.packages.get(package)
    ordered = {group.code for group in groups}
    for code in dict.fromkeys(extra):
        if chosen and code in chosen.groups:
            warnings.append(f"“{catalogue.groups[code].name}”已在套餐中,不重复收费")
        elif code not in ordered:
            warnings.append(f"“{catalogue.groups[code].name}”已包含在更大的组合中,不重复收费")
    return Quote(_price(groups, chosen), tuple(group.name for group in groups), tuple(blocked), tuple(warnings))


def _price(groups: Sequence[ItemGroup], package: Package | None) -> int:
    """The package's price where all of its groups are ordered, and every other group at its own."""
    ordered = {group.code for group in groups}
    if package is None or not set(package.groups) <= ordered:
        return sum(group.price_fen for group in groups)
    return package.price_fen + sum(group.price_fen for group in groups if group.code not in package.groups)


def group_choices(
    catalogue: Catalogue, present: Sequence[str], found: Sequence[ItemGroup], sex: str, age: int | None, category: str,
    begun: frozenset[str] = frozenset(),
) -> tuple[GroupChoice, ...]:  # fmt: skip
    """The groups that a search found, each with what speaks against adding it to the order that is there.

    `begun` are the ordered groups of which something was done: a larger group cannot take their place any more.
    """
    held = [catalogue.groups[code] for code in present if code in catalogue.groups]
    choices = []
    for group in found:
        contained = next((larger.name for larger in held if group.code in catalog_rules.included(catalogue, larger.code)), "")
        blocked = f"已包含在“{contained}”中" if contained else ""
        warnings: tuple[str, ...] = ()
        inside = catalog_rules.included(catalogue, group.code)
        smaller = [each for each in held if each.code in inside]
        if not blocked and group.code not in present and sex and age is not None:
            beside = [each for each in held if each not in smaller]
            against = [
                conflict for conflict in catalog_rules.conflicts(catalogue, [*beside, group], sex, age, category)
                if conflict.group == group.code
            ]  # fmt: skip
            blocked = next((conflict.text for conflict in against if conflict.is_blocking), "")
            warnings = tuple(conflict.text for conflict in against if not conflict.is_blocking)
        fixed = next((each.name for each in smaller if each.code in begun), "")
        if fixed:
            blocked = blocked or f"其中的“{fixed}”已采样或检查,不能替代"
        elif smaller:
            warnings = (*warnings, f"将替代“{'、'.join(each.name for each in smaller)}”")
        choices.append(
            GroupChoice(
                code=group.code, name=group.name, department=catalogue.departments[group.department].name,
                price_fen=group.price_fen, is_ordered=group.code in present, blocked=blocked, warnings=warnings,
                is_private=catalog_rules.is_private_group(catalogue, group),
            )
        )  # fmt: skip
    return tuple(choices)


def matching_groups(catalogue: Catalogue, initials: Mapping[str, str], text: str, most: int = 12) -> tuple[ItemGroup, ...]:
    """Groups whose name holds the text, or whose code or pinyin initials begin with it; those that begin so come first."""
    wanted = "".join(text.split()).lower()
    if not wanted:
        return ()
    ranked = []
    for group in catalogue.groups.values():
        name = group.name.lower()
        short = initials.get(group.code, "")
        if name.startswith(wanted) or short.startswith(wanted) or group.code.lower() == wanted:
            ranked.append((0, group))
        elif wanted in name or (len(wanted) > 1 and wanted in short):
            ranked.append((1, group))
    return tuple(group for _, group in sorted(ranked, key=lambda each: each[0])[:most])


# --- slips -------------------------------------------------------------------------------------------------------------


def needs_request_form(kind: DepartmentKind) -> bool:
    """Imaging and device departments get a request form; the laboratory has labels, physicians have the guide sheet."""
    return kind in (DepartmentKind.IMAGING, DepartmentKind.DEVICE)


def needs_fasting(advice: Iterable[str]) -> bool:
    """Whether any advice of a stop asks to come with an empty stomach."""
    return any(word in text for text in advice for word in FASTING_WORDS)


def needs_full_bladder(advice: Iterable[str]) -> bool:
    """Whether any advice of a stop asks for a full bladder."""
    return any(word in text for text in advice for word in BLADDER_WORDS)


def advice_for(text: str, sex: str) -> str:
    """An advice without the clauses that concern the other sex only: a man's sheet says nothing of periods and pregnancy."""
    others = MENS_WORDS if sex == "F" else WOMENS_WORDS
    clauses = _CLAUSE.findall(text)
    kept = [clause for clause in clauses if not any(word in clause for word in others)]
    return text if len(kept) == len(clauses) else "".join(kept).strip(CLAUSE_ENDS)
