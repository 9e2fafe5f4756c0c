"""Before anything is saved: what a document number tells, which package fits, what an order would cost, which groups match."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from exam.catalog import service as catalog
from exam.catalog.facts import Catalogue
from exam.kit import audit, masks
from exam.kit.errors import Refused
from exam.kit.house import house_of
from exam.messages import service as messages
from exam.people import pinyin
from exam.people import rules as people_rules
from exam.people import service as people
from exam.people.rules import age_on
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import AWAY, BEGUN, LineState, VisitCard
from exam.visits.models import Visit
from registration import rules
from registration.facts import GroupChoice, PackageChoice, Quote, Recognised
from registration.service import today_of

EARLIER_VISITS = 5


def recognise(db: Session, id_no: str, on: date | None = None) -> Recognised:
    """Sex, birth date and age from a document number, the file that has it, earlier visits, and the package to offer."""
    today = today_of(db)
    number = people_rules.read_id_number(None, id_no, today)
    known = people.find_by_document(db, number.kind, number.number)
    sex, birth_on = number.sex or "", number.birth_on
    name, phone, last = "", "", ""
    own: tuple[VisitCard, ...] = ()
    if known is not None:
        person = people.person(db, known)
        name, sex, birth_on, phone = person.name, person.sex, person.birth_on, person.phone_masked
        own = tuple(visits.of_person(db, known))
        last = _last_package(db, own[0].id) if own else ""
        audit.note(db, "registration.recognise", subject=f"person:{person.file_no}")
    day = on or today
    age = age_on(birth_on, day) if birth_on is not None else None
    return Recognised(
        id_kind=number.kind, id_masked=masks.mask_id(number.number), sex=sex, birth_on=birth_on, age=age, person_id=known,
        name=name,
        phone_masked=phone, visits=own[:EARLIER_VISITS],
        today=next((card for card in own if card.exam_on == day and card.state not in AWAY), None) or rules.waiting(own, day),
        # What fits cannot be told before sex and age are known.
        package=rules.preselect(packages(db, day, sex, age), last) if sex and age is not None else "", warnings=number.warnings,
        sms_consent=messages.consent_of(db, known) if known is not None else None,
    )  # fmt: skip


def _last_package(db: Session, visit_id: UUID) -> str:
    row = db.get(Visit, visit_id)
    return row.package_code if row else ""


def packages(db: Session, day: date, sex: str = "", age: int | None = None) -> tuple[PackageChoice, ...]:
    """The packages of a day with what speaks against each."""
    return rules.package_choices(catalog.catalogue(db, day), sex, age)


def quote(db: Session, day: date, package: str, extra: Sequence[str], sex: str, birth_on: date | None, category: str = "") -> Quote:
    """What an order would cost on a day, and what contradicts it."""
    catalogue = catalog.catalogue(db, day)
    chosen = catalogue.packages.get(package)
    age = age_on(birth_on, day) if birth_on is not None and birth_on <= day else None
    return rules.quote(catalogue, package, extra, sex, age, category or (chosen.category if chosen else "health"))


def groups_for_day(
    db: Session, day: date, text: str, present: Sequence[str], sex: str, birth_on: date | None, category: str = "health"
) -> tuple[GroupChoice, ...]:
    """Groups that match a text, for an order that is not saved yet."""
    catalogue = catalog.catalogue(db, day)
    age = age_on(birth_on, day) if birth_on is not None and birth_on <= day else None
    return rules.group_choices(
        catalogue, present, rules.matching_groups(catalogue, _initials(db, catalogue), text), sex, age, category
    )


def choices_of(db: Session, day: date, codes: Sequence[str], sex: str, birth_on: date | None) -> tuple[GroupChoice, ...]:
    """These groups as a form of that day offers them, with what speaks against each; what the catalogue lacks is left out."""
    catalogue = catalog.catalogue(db, day)
    age = age_on(birth_on, day) if birth_on is not None and birth_on <= day else None
    held = [catalogue.groups[code] for code in codes if code in catalogue.groups]
    return rules.group_choices(catalogue, (), held, sex, age, "health")


def groups_for_visit(db: Session, visit_id: UUID, text: str) -> tuple[GroupChoice, ...]:
    """Groups that match a text, with what speaks against adding each to this visit."""
    if len(text) > 60:
        raise Refused("registration.text_too_long", "查询内容过长", "请输入项目名称、拼音首字母或编号", "q")
    visit = visits.get_row(db, visit_id)
    catalogue = visits.catalogue_of(db, visit)
    ordered = [line for line in orders.lines(db, visit_id) if line.state != LineState.REMOVED]
    begun = frozenset(line.group_code for line in ordered if line.state in BEGUN)
    found = rules.matching_groups(catalogue, _initials(db, catalogue), text)
    age = age_on(visit.birth_on, visit.exam_on)
    present = [line.group_code for line in ordered]
    return rules.group_choices(catalogue, present, found, visit.sex, age, visit.category, begun)


def _initials(db: Session, catalogue: Catalogue) -> dict[str, str]:
    """Pinyin initials of every group's name; the catalogue of a revision never changes, so each process keeps the last."""
    kept: dict[int, dict[str, str]] = house_of(db).cache.setdefault("group_initials", {})
    found = kept.get(catalogue.revision)
    if found is None:
        found = {code: pinyin.initials(group.name).lower() for code, group in catalogue.groups.items()}
        kept.clear()
        kept[catalogue.revision] = found
    return found


class Offer(msgspec.Struct, frozen=True):
    """What a form that is being filled in shows: its price, the extra groups ticked so far, and those just found."""

    quote: Quote
    chosen: tuple[GroupChoice, ...]
    found: tuple[GroupChoice, ...]


def basics(db: Session, id_no: str, sex: str, birth_on: date | None) -> tuple[str, date | None]:
    """Sex and birth date for an order's rules: those of the document where it tells them, else as typed so far."""
    try:
        number = people_rules.read_id_number(None, id_no, today_of(db)) if id_no else None
    except Refused:
        number = None
    if number is not None and number.sex and number.birth_on:
        return number.sex, number.birth_on
    return sex if sex in ("M", "F") else "", birth_on


def offer(
    db: Session, day: date, package: str, extra: Sequence[str], text: str, sex: str, birth_on: date | None, category: str = ""
) -> Offer:
    """The price of the order so far, its extra groups, and the groups that match `text` with what speaks against each."""
    catalogue = catalog.catalogue(db, day)
    priced = quote(db, day, package, extra, sex, birth_on, category)
    ticked = [catalogue.groups[code] for code in extra]
    inside = list(catalogue.packages[package].groups) if package else []
    age = age_on(birth_on, day) if birth_on is not None and birth_on <= day else None
    chosen = rules.group_choices(catalogue, inside, ticked, sex, age, category or "health")
    found = groups_for_day(db, day, text, [*inside, *extra], sex, birth_on, category or "health")
    return Offer(priced, chosen, tuple(each for each in found if each.code not in extra))
