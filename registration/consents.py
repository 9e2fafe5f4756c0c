"""Consent to private items (T2): the text in force, who agreed to it and when, withdrawal, and a new text by the hospital."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of
from exam.people import service as people
from exam.people.facts import SEX_NAMES
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import AWAY, LineState, OrderLine, VisitCard, VisitState
from exam.visits.models import OrderLineRow
from registration import consent_paper, rules, starter
from registration.facts import CONSENT_GIVER_NAMES, WITHDRAWAL_REASON, Consent, ConsentAsked, ConsentGiver, ConsentText
from registration.models import ConsentFact, ConsentTextRow


def text_in_force(db: Session) -> ConsentText:
    """The text that is shown today at the actor's site: its newest version, or the shipped one; one statement."""
    row = db.scalar(
        select(ConsentTextRow).where(ConsentTextRow.site == actor_of(db).site).order_by(ConsentTextRow.version.desc()).limit(1)
    )
    if row is None:
        shipped = starter.load_consent()
        return ConsentText(UUID(int=0), 1, day_of(house_of(db).clock.now()), shipped.source, shipped.body, shipped.asks_everyone)
    return _to_text(row)


def _to_text(row: ConsentTextRow) -> ConsentText:
    return ConsentText(row.id, row.version, row.issued_on, row.source, row.body, row.asks_everyone)


def publish(db: Session, body: str, source: str, asks_everyone: bool) -> ConsentText:
    """Puts a new version in force from now on. Consents that were given keep the version they were given to."""
    plain, origin = rules.require_consent_text(body, source)
    load_starter(db)
    before = text_in_force(db)
    if (plain, asks_everyone) == (before.body, before.asks_everyone):
        raise Refused("registration.same_consent_text", "内容与现行版本相同,未发布新版本", "请修改后再发布", "body")
    audit.note(db, "registration.publish_consent_text", subject=f"consent:{before.version + 1}")
    return _store(db, before.version + 1, plain, origin, asks_everyone)


def _store(db: Session, version: int, body: str, source: str, asks_everyone: bool) -> ConsentText:
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    text = ConsentText(house.ids.new(), version, day_of(now), source, body, asks_everyone)
    insert_rows(
        db,
        ConsentTextRow,
        [{"id": text.id, "site": actor.site, "version": version, "issued_on": text.issued_on, "source": source, "body": body,
          "asks_everyone": asks_everyone, "at": now, "actor_id": actor.staff_id}],
    )  # fmt: skip
    return text


def load_starter(db: Session) -> None:
    """The shipped text where a site has none yet."""
    found = db.scalar(select(ConsentTextRow.id).where(ConsentTextRow.site == actor_of(db).site).limit(1))
    if found is None:
        shipped = starter.load_consent()
        _store(db, 1, shipped.body, shipped.source, shipped.asks_everyone)


# --- asking and giving -------------------------------------------------------------------------------------------------


def asked_of(db: Session, card: VisitCard, lines: Sequence[OrderLine]) -> ConsentAsked | None:
    """What this visit's person has to agree to, and whether they did; None when nothing is asked of them.

    Once the person has arrived, refused private items are asked about too while nobody signed for them: without a signature
    they cannot be resumed.
    """
    private = _private(db, card, lines)
    text = text_in_force(db)
    if not private and not text.asks_everyone:
        return None
    given = standing(db, card.id)
    unsigned = _unsigned(db, private, given)
    may_resume = card.checked_in_at is not None and card.state in rules.ORDER_OPEN
    listed = [line for line in private if line.state != LineState.REFUSED or (may_resume and line in unsigned)]
    if not listed and not text.asks_everyone:
        return None
    asked = ConsentAsked(
        text, tuple(line.name for line in listed), rules.consent_giver(card.age), given,
        tuple(line.name for line in listed if line in unsigned),
    )  # fmt: skip
    return msgspec.structs.replace(asked, text=given.text) if given is not None and asked.is_signed else asked


def _private(db: Session, card: VisitCard, lines: Sequence[OrderLine]) -> tuple[OrderLine, ...]:
    """The private lines that were not taken off the order."""
    found = rules.private_line_ids(visits.catalogue_of(db, card), lines)
    return tuple(line for line in lines if line.id in found and line.state != LineState.REMOVED)


def _unsigned(db: Session, private: Sequence[OrderLine], given: Consent | None) -> tuple[OrderLine, ...]:
    """Those of these lines that the signed paper cannot name, because they were ordered later; all while none stands."""
    if given is None or not private:
        return tuple(private)
    statement = select(OrderLineRow.id).where(OrderLineRow.visit_id == private[0].visit_id, OrderLineRow.ordered_at > given.at)
    later = set(db.scalars(statement))
    return tuple(line for line in private if line.id in later)


def unsigned_lines(db: Session, visit_id: UUID) -> tuple[OrderLine, ...]:
    """The private lines of a visit, refused ones too, that no standing consent names."""
    private = _private(db, visits.card(db, visit_id), orders.lines(db, visit_id))
    return _unsigned(db, private, standing(db, visit_id)) if private else ()


def standing(db: Session, visit_id: UUID) -> Consent | None:
    """The newest consent of a visit that was not withdrawn; one statement."""
    return next(iter(reversed(_all_standing(db, visit_id))), None)


def _all_standing(db: Session, visit_id: UUID) -> list[Consent]:
    rows = db.execute(
        select(ConsentFact, ConsentTextRow)
        .join(ConsentTextRow, ConsentTextRow.id == ConsentFact.text_id)
        .where(ConsentFact.visit_id == visit_id)
        .order_by(ConsentFact.id)
    ).all()
    undone = {fact.undoes for fact, _ in rows if fact.undoes is not None}
    return [
        Consent(fact.id, _to_text(row), ConsentGiver(fact.given_by), fact.channel, fact.at)
        for fact, row in rows if fact.undoes is None and fact.id not in undone
    ]  # fmt: skip


def was_withdrawn(db: Session, visit_id: UUID) -> bool:
    """Whether the person took the consent back and gave none since; one statement."""
    undoing = db.scalars(select(ConsentFact.undoes).where(ConsentFact.visit_id == visit_id)).all()
    return bool(undoing) and undoing.count(None) * 2 == len(undoing)


def give(db: Session, visit_id: UUID, version: int, channel: str = "desk") -> None:
    """Records that the person, or for a child the guardian, signed this version of the text.

    Nothing is added while a consent stands that names every private item; one ordered later needs a new signature.
    When another version was published meanwhile, that one has to be read first.
    """
    visit = visits.get_row(db, visit_id, lock=True)
    card = visits.card(db, visit_id)
    if card.state in (VisitState.BOOKED, *AWAY):
        raise Refused("registration.consent_too_early", "未登记或已取消的体检单不能记录知情同意", "请先办理登记", "consent")
    given = standing(db, visit_id)
    if given is not None and not _unsigned(db, _private(db, card, orders.lines(db, visit_id)), given):
        return
    load_starter(db)
    text = text_in_force(db)
    if version != text.version:
        raise Refused("registration.consent_changed", "知情同意书已更新,未记录", "请刷新页面,按最新版本签署", "consent")
    giver = rules.consent_giver(card.age)
    _add(db, visit_id, text.id, giver, channel, None, "")
    audit.note(db, "registration.give_consent", subject=f"visit:{visit.visit_no}", reason=f"v{text.version} {giver.value}")


def withdraw(db: Session, visit_id: UUID, reason: str) -> int:
    """Takes a consent back, as easily as it was given: private items not yet sampled are refused at once. Returns how many.

    Nothing is refused before check-in, which asks again, nor once the chief's review began, when the order is closed: what
    was postponed then is kept from being drawn at the chair.
    """
    reason = rules.require_reason(reason, "撤回知情同意")
    visit = visits.get_row(db, visit_id, lock=True)
    given = _all_standing(db, visit_id)
    if not given:
        raise Refused("registration.no_consent", "该体检单没有有效的知情同意", "请刷新页面查看最新状态")
    for each in given:
        _add(db, visit_id, each.text.id, each.giver, each.channel, each.id, reason)
    card = visits.card(db, visit_id)
    refused: list[UUID] = []
    if card.checked_in_at is not None and card.state in rules.ORDER_OPEN:
        refused = [line.id for line in _private(db, card, orders.lines(db, visit_id)) if line.state in rules.TO_BE_DONE]
    if refused:
        orders.refuse(db, visit_id, refused, WITHDRAWAL_REASON)
    audit.note(db, "registration.withdraw_consent", subject=f"visit:{visit.visit_no}", reason=reason)
    return len(refused)


def _add(db: Session, visit_id: UUID, text_id: UUID, giver: ConsentGiver, channel: str, undoes: UUID | None, reason: str) -> None:
    house, actor = house_of(db), actor_of(db)
    insert_rows(
        db,
        ConsentFact,
        [{"id": house.ids.new(), "visit_id": visit_id, "text_id": text_id, "given_by": giver.value, "channel": channel,
          "undoes": undoes, "reason": reason, "at": house.clock.now(), "actor_id": actor.staff_id}],
    )  # fmt: skip


def require(db: Session, visit_id: UUID) -> None:
    """Refuses to check a visit in whose order needs a signed consent that was not recorded (T2)."""
    card = visits.card(db, visit_id)
    asked = asked_of(db, card, orders.lines(db, visit_id))
    if asked is not None and not asked.is_signed:
        raise _missing(asked.giver, asked.missing, "在“报到并打印”中或在“知情同意书”一栏勾选确认")


def require_for(db: Session, visit_id: UUID, line_ids: Collection[UUID], where: str) -> None:
    """Refuses lines just added to or resumed in a visit that has arrived, if they are private and nobody signed for them (T6).

    `where` tells the desk at which place of the screen the signature is recorded.
    """
    names = tuple(line.name for line in unsigned_lines(db, visit_id) if line.id in line_ids)
    if names:
        raise _missing(rules.consent_giver(visits.card(db, visit_id).age), names, where)


def _missing(giver: ConsentGiver, names: Sequence[str], where: str) -> Refused:
    who = CONSENT_GIVER_NAMES[giver]
    what = f"含隐私项目({'、'.join(names)})" if names else "本院要求"
    text = f"{what},尚未记录{who}签署的知情同意书"
    return Refused("registration.consent_missing", text, f"请打印知情同意书,由{who}签字后,{where}", "consent")


def asked_before_adding(db: Session, visit_id: UUID) -> ConsentAsked | None:
    """What has to be signed before a private group is added to a visit that has arrived; None when that comes later.

    A consent that stands does not count: the paper that was signed cannot name what is ordered only now.
    """
    card = visits.card(db, visit_id)
    return None if card.checked_in_at is None else ConsentAsked(text_in_force(db), (), rules.consent_giver(card.age))


def form_of(db: Session, visit_id: UUID) -> bytes:
    """The consent form of a visit as PDF, for a signature by hand; also of one to which private items are still to be added."""
    house, card = house_of(db), visits.card(db, visit_id)
    asked = asked_of(db, card, orders.lines(db, visit_id))
    if asked is None:
        asked = ConsentAsked(text_in_force(db), (), rules.consent_giver(card.age))
    form = consent_paper.ConsentForm(
        visit_no=card.visit_no, name=card.person_name, sex=SEX_NAMES[card.sex], age_text=f"{card.age} 岁",
        masked_id_number=people.person(db, card.person_id).id_masked, asked=asked, printed_at=house.clock.now(),
        centre_name=getattr(house.settings, "centre_name", ""),
    )  # fmt: skip
    return consent_paper.consent_form_pdf(form)
