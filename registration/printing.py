"""What the desk prints of a visit: choices, the log of every print, and the slips themselves from the visit's facts."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exam.catalog.facts import Catalogue
from exam.kit import audit
from exam.kit.db import insert_rows
from exam.kit.errors import Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.people import service as people
from exam.people.facts import SEX_NAMES
from exam.visits import orders, tubes
from exam.visits import service as visits
from exam.visits.facts import AWAY, LineState, OrderLine, TubeCard, VisitCard, VisitState
from exam.visits.models import Visit
from registration import rules, slips
from registration.facts import Printable, SlipKind, SlipsPrinted
from registration.models import SlipPrint

GONE = (LineState.REMOVED, LineState.REFUSED)
PRIVATE_NAME = "隐私项目"
"""What stands on paper for items like an HIV test. The sheet is carried openly through the halls, and a tube stands with the name
on it in a rack that everybody passes; the laboratory works from the barcode, its order comes to it over the interface."""

HINTS = ("请按顺序检查;标注“空腹”的项目完成后再用早餐。", "不做的项目请在“拒检人签字”处签名,检查结束后将本单交回前台。")


def printables(db: Session, visit_id: UUID) -> tuple[Printable, ...]:
    """Everything that may be printed of a visit, each with how often it was printed so far."""
    card = visits.card(db, visit_id)
    return _printables(db, card, orders.lines(db, visit_id), tubes.of_visit(db, visit_id), tubes.idle(db, visit_id))


def printables_of(db: Session, card: VisitCard, lines: Sequence[OrderLine], cards: Sequence[TubeCard]) -> tuple[Printable, ...]:
    """As `printables`, for a page that has the lines and tubes already."""
    return _printables(db, card, lines, cards, tubes.idle(db, card.id))


def _printables(
    db: Session, card: VisitCard, lines: Sequence[OrderLine], cards: Sequence[TubeCard], idle: frozenset[UUID]
) -> tuple[Printable, ...]:
    copies = copies_of(db, card.id)
    found = [Printable(SlipKind.GUIDE_SHEET, "", "导检单", "A4 一份", copies.get((SlipKind.GUIDE_SHEET, ""), 0))]
    for tube in cards:
        if tube.id not in idle:
            printed = copies.get((SlipKind.LABEL, tube.barcode), 0)
            found.append(
                Printable(SlipKind.LABEL, tube.barcode, f"{tube.name} …{tube.barcode[-4:]}", "、".join(tube.groups), printed)
            )
    catalogue = visits.catalogue_of(db, card)
    for department, own in _by_department(catalogue, lines).items():
        if rules.needs_request_form(catalogue.departments[department].kind):
            names = "、".join(line.name for line in own)
            printed = copies.get((SlipKind.REQUEST_FORM, department), 0)
            found.append(
                Printable(SlipKind.REQUEST_FORM, department, f"{catalogue.departments[department].name}申请单", names, printed)
            )
    return tuple(found)


def _by_department(catalogue: Catalogue, lines: Sequence[OrderLine]) -> dict[str, list[OrderLine]]:
    found: dict[str, list[OrderLine]] = {}
    for line in lines:
        if line.state not in GONE and line.department in catalogue.departments:
            found.setdefault(line.department, []).append(line)
    return found


def copies_of(db: Session, visit_id: UUID) -> dict[tuple[str, str], int]:
    """How often each slip of a visit was printed; one statement."""
    rows = db.execute(
        select(SlipPrint.kind, SlipPrint.subject, func.sum(SlipPrint.copies))
        .where(SlipPrint.visit_id == visit_id).group_by(SlipPrint.kind, SlipPrint.subject)
    )  # fmt: skip
    return {(kind, subject): int(count) for kind, subject, count in rows}


def record(db: Session, visit_id: UUID, wanted: Sequence[tuple[str, str]]) -> tuple[Printable, ...]:
    """Logs the print of these `(kind, subject)` and returns them with their new counts. The second time is a reprint (补打)."""
    visit = visits.get_row(db, visit_id, lock=True)
    card = visits.card(db, visit_id)
    if not wanted:
        raise Refused("registration.nothing_chosen", "没有选择要打印的单据", "请至少勾选一种单据", "slips")
    if card.state in (VisitState.BOOKED, *AWAY):
        raise Refused("registration.not_printable", "未登记或已取消的体检单不能打印", "请先办理登记", "slips")
    if card.checked_in_at is None:
        raise Refused("registration.not_checked_in", "尚未报到,不能打印导检单和标签", "请先办理报到", "slips")
    known = {(each.kind.value, each.subject): each for each in printables(db, visit_id)}
    chosen = list(dict.fromkeys(wanted))
    unknown = [each for each in chosen if each not in known]
    if unknown:
        raise Refused("registration.unknown_slip", "所选单据不存在或已不需要打印", "请刷新页面后重新选择", "slips")
    _log(db, visit, chosen)
    return tuple(
        Printable(each.kind, each.subject, each.title, each.detail, each.copies + 1) for each in (known[key] for key in chosen)
    )


def _log(db: Session, visit: Visit, chosen: Sequence[tuple[str, str]]) -> None:
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    insert_rows(
        db,
        SlipPrint,
        [{"id": house.ids.new(), "visit_id": visit.id, "kind": kind, "subject": subject, "copies": 1, "at": now,
          "actor_id": actor.staff_id} for kind, subject in chosen],
    )  # fmt: skip
    barcodes = {subject for kind, subject in chosen if kind == SlipKind.LABEL}
    if barcodes:
        tubes.mark_printed(db, visit.id, [tube.id for tube in tubes.of_visit(db, visit.id) if tube.barcode in barcodes])
    audit.note(db, "registration.print", subject=f"visit:{visit.visit_no}", reason=" ".join(f"{k}:{s}" for k, s in chosen)[:500])
    announce(db, SlipsPrinted(visit.id, visit.site, tuple(f"{kind}:{subject}" for kind, subject in chosen)))


def record_ahead(db: Session, visit_id: UUID, kind: SlipKind) -> None:
    """Logs the print of a booked visit's guide sheet or labels before its person has come: a company's papers are laid out in order
    the day before. Its tubes get their numbers now; none is drawn before the check-in, which still asks for payment and consent.
    """
    visit = visits.get_row(db, visit_id, lock=True)
    if visits.state_of(db, visit_id) not in rules.PRINTED_AHEAD:
        raise Refused("registration.not_printable", "未预约、已交单或已取消,不打印", "请先预约体检日期")
    chosen: list[tuple[str, str]] = [(kind.value, "")]
    if kind is SlipKind.LABEL:
        planned, unneeded = tubes.plan(db, visit_id), tubes.idle(db, visit_id)
        chosen = [(kind.value, tube.barcode) for tube in planned if tube.id not in unneeded]
        if not chosen:
            raise Refused("registration.no_tubes", "没有需要采集的项目", "无需打印标签")
    _log(db, visit, chosen)


# --- the slips themselves ----------------------------------------------------------------------------------------------


def guide_sheet(db: Session, visit_id: UUID) -> bytes:
    """The guide sheet as PDF: the departments in walking order, without what was refused or taken off."""
    return slips.guide_sheet_pdf(guide_sheet_of(db, visit_id))


def guide_sheet_of(db: Session, visit_id: UUID) -> slips.GuideSheet:
    """What stands on a visit's guide sheet."""
    house = house_of(db)
    card = visits.card(db, visit_id)
    catalogue = visits.catalogue_of(db, card)
    person = people.person(db, card.person_id)
    ordered = orders.lines(db, visit_id)
    private = rules.private_line_ids(catalogue, ordered)
    stops = []
    for code, lines in _by_department(catalogue, ordered).items():
        department = catalogue.departments[code]
        advice = _advice(catalogue, lines, card.sex)
        # Advice tells what it is about, too: "only with the person's consent" stands for one item alone.
        told = _advice(catalogue, [line for line in lines if line.id not in private], card.sex)
        shown = [line for line in lines if not line.service_only]
        if not shown and not advice:
            continue  # a service that asks nothing of the person is no place to go to: the chief's review is done without them
        stops.append(
            slips.GuideStop(
                department=department.name, location=department.location,
                group_names=_paper_names([(line.name, line.id in private) for line in shown or lines]), advice=";".join(told),
                needs_fasting=rules.needs_fasting(advice), needs_full_bladder=rules.needs_full_bladder(advice),
            )
        )  # fmt: skip
    return slips.GuideSheet(
        visit_no=card.visit_no, name=card.person_name, sex=SEX_NAMES[card.sex], age_text=f"{card.age} 岁",
        masked_id_number=person.id_masked, package=card.package_name, exam_on=card.exam_on, organization=card.organization,
        stops=tuple(stops), printed_at=house.clock.now(), centre_name=getattr(house.settings, "centre_name", ""), hints=HINTS,
        phone="", copy_no=max(copies_of(db, visit_id).get((SlipKind.GUIDE_SHEET, ""), 1), 1),
    )  # fmt: skip


def _paper_names(names: Sequence[tuple[str, bool]]) -> tuple[str, ...]:
    """Names as they may stand on paper beside the person's: the private ones (True) are one word, with their number."""
    count = sum(is_private for _, is_private in names)
    hidden = (f"{PRIVATE_NAME} {count} 项" if count > 1 else PRIVATE_NAME,) if count else ()
    return (*(name for name, is_private in names if not is_private), *hidden)


def _advice(catalogue: Catalogue, lines: Sequence[OrderLine], sex: str) -> list[str]:
    """What to mind before these lines, each once, without what concerns the other sex only."""
    groups = [catalogue.groups[line.group_code] for line in lines if line.group_code in catalogue.groups]
    told = (rules.advice_for(group.advice, sex) for group in groups)
    return list(dict.fromkeys(text for text in told if text))


def labels(db: Session, visit_id: UUID, barcodes: Sequence[str]) -> bytes:
    """The labels of these tubes as PDF, one label a page; all that are needed when none is named."""
    chosen = labels_of(db, visit_id, barcodes)
    if not chosen:
        raise Refused("registration.no_tubes", "没有可打印的试管标签", "请先报到,或核对采集项目", "slips")
    return slips.tube_labels_pdf(chosen)


def labels_of(db: Session, visit_id: UUID, barcodes: Sequence[str] = ()) -> list[slips.TubeLabel]:
    """What stands on the labels of these tubes; of all that are needed when none is named."""
    card = visits.card(db, visit_id)
    idle = tubes.idle(db, visit_id)
    chosen = [tube for tube in tubes.of_visit(db, visit_id) if (tube.barcode in barcodes if barcodes else tube.id not in idle)]
    now = house_of(db).clock.now()
    copies = copies_of(db, visit_id)
    ordered = orders.lines(db, visit_id)
    ids = rules.private_line_ids(visits.catalogue_of(db, card), ordered)
    private = {line.name for line in ordered if line.id in ids}
    return [
        slips.TubeLabel(
            barcode=tube.barcode, name=card.person_name, sex=SEX_NAMES[card.sex], age_text=f"{card.age}岁",
            tube_name=tube.name, visit_no=card.visit_no, printed_at=now,
            colour=tube.colour, group_names=_paper_names([(name, name in private) for name in tube.groups]),
            copy_no=max(copies.get((SlipKind.LABEL, tube.barcode), 1), 1),
        )
        for tube in chosen
    ]  # fmt: skip


def request_forms(db: Session, visit_id: UUID, departments: Sequence[str]) -> bytes:
    """The request forms of these departments as PDF; all that are needed when none is named."""
    card = visits.card(db, visit_id)
    catalogue = visits.catalogue_of(db, card)
    now, actor = house_of(db).clock.now(), actor_of(db)
    copies = copies_of(db, visit_id)
    forms = []
    for number, (code, lines) in enumerate(_by_department(catalogue, orders.lines(db, visit_id)).items(), 1):
        department = catalogue.departments[code]
        if not rules.needs_request_form(department.kind) or (departments and code not in departments):
            continue
        advice = tuple(_advice(catalogue, lines, card.sex))
        forms.append(
            slips.RequestForm(
                title=f"{department.name}检查申请单", request_no=f"{card.visit_no}{40 + number:02d}", visit_no=card.visit_no,
                name=card.person_name, sex=SEX_NAMES[card.sex], age_text=f"{card.age} 岁", department=department.name,
                location=department.location, group_names=tuple(line.name for line in lines), requested_by=actor.name,
                requested_at=now, centre_name=getattr(house_of(db).settings, "centre_name", ""), organization=card.organization,
                cautions=advice, copy_no=max(copies.get((SlipKind.REQUEST_FORM, code), 1), 1),
            )
        )  # fmt: skip
    if not forms:
        raise Refused("registration.no_request_forms", "没有需要申请单的项目", "请核对体检项目", "slips")
    return slips.request_forms_pdf(forms)
