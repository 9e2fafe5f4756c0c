"""Consent to private items (T2): the text in force, who agreed to it and when, withdrawal, and a new text by the hospital."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

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
from exam.visits.facts import LineState, OrderLine, VisitCard, VisitState
from registration import consent_paper, rules, starter
from registration.facts import WITHDRAWAL_REASON, Consent, ConsentAsked, ConsentGiver, ConsentText
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
    """What this visit's person has to agree to before check-in, and whether they did; None when nothing is asked of them."""
    catalogue = visits.catalogue_of(db, card)
    private = rules.private_line_ids(catalogue, lines)
    names = tuple(line.name for line in lines if line.id in private and line.state not in rules.GONE)
    text = text_in_force(db)
    if not names and not text.asks_everyone:
        return None
    given = standing(db, card.id)
    return ConsentAsked(text if given is None else given.text, names, rules.consent_giver(card.age), given)


def standing(db: Session, visit_id: UUID) -> Consent | None:
    """The consent of a visit that was not withdrawn; one statement."""
    rows = db.execute(
        select(ConsentFact, ConsentTextRow)
        .join(ConsentTextRow, ConsentTextRow.id == ConsentFact.text_id)
        .where(ConsentFact.visit_id == visit_id)
        .order_by(ConsentFact.id)
    ).all()
    undone = {fact.undoes for fact, _ in rows if fact.undoes is not None}
    last = next(((fact, row) for fact, row in reversed(rows) if fact.undoes is None and fact.id not in undone), None)
    if last is None:
        return None
    fact, row = last
    return Consent(fact.id, _to_text(row), ConsentGiver(fact.given_by), fact.channel, fact.at)


def give(db: Session, visit_id: UUID, version: int, channel: str = "desk") -> None:
    """Records that the person, or for a child the guardian, signed this version of the text. Given already, nothing is added.

    When another version was published meanwhile, that one has to be read first.
    """
    visit = visits.get_row(db, visit_id, lock=True)
    card = visits.card(db, visit_id)
    if card.state in (VisitState.BOOKED, VisitState.CANCELLED):
        raise Refused("registration.consent_too_early", "未登记或已取消的体检单不能记录知情同意", "请先办理登记", "consent")
    if standing(db, visit_id) is not None:
        return
    load_starter(db)
    text = text_in_force(db)
    if version != text.version:
        raise Refused("registration.consent_changed", "知情同意书已更新,未记录", "请刷新页面,按最新版本签署", "consent")
    giver = rules.consent_giver(card.age)
    _add(db, visit_id, text.id, giver, channel, None, "")
    audit.note(db, "registration.give_consent", subject=f"visit:{visit.visit_no}", reason=f"v{text.version} {giver.value}")


def withdraw(db: Session, visit_id: UUID, reason: str) -> int:
    """Takes a consent back, as easily as it was given: private items not yet sampled are refused at once. Returns how many."""
    reason = rules.require_reason(reason, "撤回知情同意")
    visit = visits.get_row(db, visit_id, lock=True)
    given = standing(db, visit_id)
    if given is None:
        raise Refused("registration.no_consent", "该体检单没有有效的知情同意", "请刷新页面查看最新状态")
    _add(db, visit_id, given.text.id, given.giver, given.channel, given.id, reason)
    lines = orders.lines(db, visit_id)
    private = rules.private_line_ids(visits.catalogue_of(db, visit), lines)
    card = visits.card(db, visit_id)
    open_now = [line.id for line in lines if line.id in private and line.state in (LineState.PENDING, LineState.POSTPONED)]
    if open_now and card.checked_in_at is not None:
        orders.refuse(db, visit_id, open_now, WITHDRAWAL_REASON)
    audit.note(db, "registration.withdraw_consent", subject=f"visit:{visit.visit_no}", reason=reason)
    return len(open_now)


def _add(db: Session, visit_id: UUID, text_id: UUID, giver: ConsentGiver, channel: str, undoes: UUID | None, reason: str) -> None:
    house, actor = house_of(db), actor_of(db)
    insert_rows(
        db,
        ConsentFact,
        [{"id": house.ids.new(), "visit_id": visit_id, "text_id": text_id, "given_by": giver.value, "channel": channel,
          "undoes": undoes, "reason": reason, "at": house.clock.now(), "actor_id": actor.staff_id}],
    )  # fmt: skip


def require(db: Session, visit_id: UUID) -> None:
    """Refuses to go on with a visit whose order needs a signed consent that was not recorded (T2, T6)."""
    card = visits.card(db, visit_id)
    asked = asked_of(db, card, orders.lines(db, visit_id))
    if asked is None or asked.given is not None:
        return
    who = "监护人" if asked.giver == ConsentGiver.GUARDIAN else "受检者"
    what = f"含隐私项目({'、'.join(asked.names)})" if asked.names else "本院要求"
    raise Refused(
        "registration.consent_missing",
        f"{what},尚未记录{who}签署的知情同意书",
        f"请打印知情同意书,由{who}签字后勾选确认",
        "consent",
    )


def asked_before_adding(db: Session, visit_id: UUID) -> ConsentAsked | None:
    """What has to be signed before a private group is added to a visit that has arrived; None when it was, or comes later."""
    card = visits.card(db, visit_id)
    if card.checked_in_at is None or standing(db, visit_id) is not None:
        return None
    return ConsentAsked(text_in_force(db), (), rules.consent_giver(card.age))


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
