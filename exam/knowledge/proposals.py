"""Changes of the book by two people: one proposes, another approves or rejects; a shipped version is approved as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exam.catalog import service as catalog
from exam.catalog.facts import Item
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.errors import BadInput, NotFound, Refused, Stale
from exam.kit.house import actor_of, house_of
from exam.knowledge import forms, service, soundness, words
from exam.knowledge.book import KINDS, Entry
from exam.knowledge.message_template import MessageTemplate
from exam.knowledge.models import KnowledgeApproval, KnowledgeProposal, KnowledgeRevision, KnowledgeRule
from exam.knowledge.rules.conclusions import PLAIN_RULE

OPEN, APPROVED, REJECTED, WITHDRAWN = "open", "approved", "rejected", "withdrawn"
STATE_NAMES = {OPEN: "待审批", APPROVED: "已批准", REJECTED: "已退回", WITHDRAWN: "已撤回"}
LONGEST_REASON = 500


class Proposal(msgspec.Struct, frozen=True):
    """A proposed change: the entry as it should read, from which day, why, who proposed it and what became of it."""

    id: UUID
    kind: str
    code: str
    base_version: int
    entry: Entry
    valid_from: date
    reason: str
    state: str
    author_id: UUID | None
    author: str
    at: datetime
    decided_by: str = ""
    decided_at: datetime | None = None
    decision: str = ""

    @property
    def is_ending(self) -> bool:
        """Whether it ends the entry instead of changing what it says."""
        return self.entry.valid_to is not None and self.entry.valid_to <= self.valid_from


class Standing(msgspec.Struct, frozen=True):
    """The newest version of an entry as the list shows it, and how many proposals about it are open."""

    kind: str
    version: service.RuleVersion
    waiting: int = 0


def newest(db: Session) -> list[Standing]:
    """The newest version of every entry there is, in the order of the book; three statements."""
    last = select(KnowledgeRule.code, func.max(KnowledgeRule.version).label("version")).group_by(KnowledgeRule.code).subquery()
    rows = db.execute(
        select(KnowledgeRule, KnowledgeApproval.id.is_not(None).label("is_signed"))
        .join(last, (last.c.code == KnowledgeRule.code) & (last.c.version == KnowledgeRule.version))
        .outerjoin(
            KnowledgeApproval,
            (KnowledgeApproval.code == KnowledgeRule.code) & (KnowledgeApproval.version == KnowledgeRule.version),
        )
        .order_by(KnowledgeRule.position, KnowledgeRule.code)
    ).all()
    counted = select(KnowledgeProposal.code, func.count()).where(KnowledgeProposal.state == OPEN).group_by(KnowledgeProposal.code)
    waiting = {row[0]: row[1] for row in db.execute(counted)}
    return [
        Standing(row.kind, _version_of(row, is_signed), waiting.get(row.code, 0))
        for row, is_signed in rows
        if row.kind in KINDS
    ]  # fmt: skip


def _version_of(row: KnowledgeRule, is_signed: bool) -> service.RuleVersion:
    return service.RuleVersion(
        code=row.code, version=row.version, revision=row.revision, valid_from=row.valid_from, approved=row.approved or is_signed,
        source=row.source, reason=row.reason, author=row.author, at=row.at, entry=_decoded(row.kind, row.body),
    )  # fmt: skip


def _decoded(kind: str, body: str) -> Entry:
    entry: Entry = msgspec.json.decode(body, type=KINDS[kind])
    return entry


def kind_of(db: Session, code: str) -> str:
    """Of which kind an entry is. Raises NotFound."""
    kind = db.scalar(select(KnowledgeRule.kind).where(KnowledgeRule.code == code[:60]).limit(1))
    if kind is None:
        raise NotFound(f"没有规则 {code[:40]}", "请从规则列表中选择")
    return kind


def newest_version(db: Session, code: str) -> int:
    """The number of an entry's newest version; 0 when there is none."""
    return db.scalar(select(func.max(KnowledgeRule.version)).where(KnowledgeRule.code == code)) or 0


def approvals_of(db: Session, code: str) -> dict[int, KnowledgeApproval]:
    """Who signed which version of an entry as it stands."""
    return {row.version: row for row in db.scalars(select(KnowledgeApproval).where(KnowledgeApproval.code == code))}


def proposals(db: Session, *, state: str = OPEN, code: str = "", limit: int = 500) -> list[Proposal]:
    """Proposals of a state, the oldest first; with `code` of one entry and in every state, the newest first."""
    statement = select(KnowledgeProposal)
    if code:
        statement = statement.where(KnowledgeProposal.code == code).order_by(KnowledgeProposal.at.desc())
    else:
        order = KnowledgeProposal.at if state == OPEN else KnowledgeProposal.at.desc()
        statement = statement.where(KnowledgeProposal.state == state).order_by(order)
    return [_proposal(row) for row in db.scalars(statement.order_by(KnowledgeProposal.id).limit(limit)) if row.kind in KINDS]


def proposal(db: Session, proposal_id: UUID) -> Proposal:
    """One proposal. Raises NotFound."""
    return _proposal(_row(db, proposal_id))


def _row(db: Session, proposal_id: UUID, *, lock: bool = False) -> KnowledgeProposal:
    statement = select(KnowledgeProposal).where(KnowledgeProposal.id == proposal_id)
    row = db.execute(statement.with_for_update() if lock else statement).scalar()
    if row is None:
        raise NotFound("没有该修改申请", "请从审批列表中选择")
    return row


def _proposal(row: KnowledgeProposal) -> Proposal:
    return Proposal(
        id=row.id, kind=row.kind, code=row.code, base_version=row.base_version, entry=_decoded(row.kind, row.body),
        valid_from=row.valid_from, reason=row.reason, state=row.state, author_id=row.author_id, author=row.author, at=row.at,
        decided_by=row.decided_by, decided_at=row.decided_at, decision=row.decision,
    )  # fmt: skip


def problems_of(db: Session, entry: Entry) -> list[soundness.Problem]:
    """What keeps an entry from being proposed or approved today."""
    today = day_of(house_of(db).clock.now())
    codes = set(db.scalars(select(KnowledgeRule.code).distinct()))
    items = _items(db, today)
    return soundness.entry_problems(entry, items, codes | {entry.code}, today) or forms.kind_problems(entry, items)


def _items(db: Session, on: date) -> Mapping[str, Item]:
    return catalog.catalogue(db, on).items


# --- proposing -------------------------------------------------------------------------------------------------------


def propose(db: Session, entry: Entry, *, base_version: int, valid_from: date, reason: str) -> UUID:
    """Hands in a change for another person to decide on; returns its id.

    Refused: without a reason, from a day that has passed, on a version that is not the newest, with nothing changed, and an
    entry with anything wrong in it (a failing example is named).
    """
    told = reason_of(reason, "请填写修改原因")
    _not_past(db, valid_from)
    _on_newest(db, entry, base_version)
    problems = [] if _only_ends(db, entry) else problems_of(db, entry)
    if problems:
        raise BadInput(problems[:30], code="knowledge.unsound")
    house, actor = house_of(db), actor_of(db)
    plain = msgspec.structs.replace(entry, version=base_version + 1, approved=False, valid_from=valid_from)
    row = KnowledgeProposal(
        id=house.ids.new(), kind=service.kind_of(entry), code=entry.code, base_version=base_version,
        body=msgspec.json.encode(plain).decode(), valid_from=valid_from, source=entry.source[:200], reason=told, state=OPEN,
        author_id=actor.staff_id, author=actor.name, at=house.clock.now(), decided_by_id=None, decided_by="", decided_at=None,
        decision="", ver=1,
    )  # fmt: skip
    db.add(row)
    db.flush()
    audit.note(db, "knowledge.propose", subject=f"knowledge:{entry.code}", reason=told)
    return row.id


def propose_end(db: Session, code: str, *, base_version: int, valid_from: date, reason: str) -> UUID:
    """Proposes that an entry no longer holds from a day on."""
    last = service.history(db, code)[0]
    if last.entry.valid_to is not None and last.entry.valid_to <= valid_from:
        raise Refused("knowledge.ended", f"规则 {code} 已经停用", "无需再次停用")
    ended = msgspec.structs.replace(last.entry, valid_to=valid_from)
    return propose(db, ended, base_version=base_version, valid_from=valid_from, reason=reason)


def _only_ends(db: Session, entry: Entry) -> bool:
    """Whether an entry differs from its newest version in nothing but its end: what a change of the catalogue broke can be ended."""
    if entry.valid_to is None or not newest_version(db, entry.code):
        return False
    held = service.history(db, entry.code)[0].entry
    return words.same_content(msgspec.structs.replace(held, valid_to=entry.valid_to), entry)


def reason_of(text: str, hint: str, field: str = "reason") -> str:
    """A reason as typed. Raises BadInput for none or one without end."""
    told = text.strip()
    if not told:
        raise BadInput([(field, f"原因:不能为空,{hint}")], code="knowledge.reason_missing")
    if len(told) > LONGEST_REASON:
        raise BadInput([(field, f"原因:最多 {LONGEST_REASON} 字,请缩短")], code="knowledge.reason_long")
    return told


def _not_past(db: Session, valid_from: date) -> None:
    if valid_from < day_of(house_of(db).clock.now()):
        raise BadInput([("valid_from", f"生效日期:{valid_from} 已经过去,请选择今天或以后的日期")], code="knowledge.past")


def _on_newest(db: Session, entry: Entry, base_version: int) -> None:
    """Refuses a change of a version that is not the newest any more, and one that changes nothing."""
    held = newest_version(db, entry.code)
    if base_version == 0 and held:
        raise BadInput([("code", f"编号:{entry.code} 已被使用,请换一个编号,或打开该规则修改")], code="knowledge.code_taken")
    if held != base_version:
        raise Stale(f"规则 {entry.code} 已有第 {held} 版,本修改基于第 {base_version} 版", "请打开最新版本核对后重新提交")
    if held:
        if kind_of(db, entry.code) != service.kind_of(entry):
            raise BadInput([("code", f"编号:{entry.code} 是{words.KIND_NAMES[kind_of(db, entry.code)]},种类不能改变")])
        if words.same_content(service.history(db, entry.code)[0].entry, entry):
            raise Refused("knowledge.nothing_changed", "没有修改任何内容", "请修改后再提交")


# --- deciding --------------------------------------------------------------------------------------------------------


def approve(
    db: Session, proposal_id: UUID, *, note: str, valid_from: date | None = None, allows_findings: bool = False
) -> int:
    """Another person than the author makes a proposal the newest version, effective from its day or `valid_from`; returns the
    revision. Refused for one whose base is not the newest, whose day has passed, or whose examples fail by now.

    `allows_findings` is the approver's own word that a message template may tell a value or a disease; refused without it.
    """
    told = reason_of(note, "请填写审批意见", "note")
    _lock_store(db)
    row = decidable(db, proposal_id)
    begins = valid_from or row.valid_from
    entry = approvable(db, row, begins, allows_findings=allows_findings)
    if entry.valid_to is not None and entry.valid_to == row.valid_from:
        entry = msgspec.structs.replace(entry, valid_to=begins)
    published = msgspec.structs.replace(entry, approved=True)
    revision = service.publish(db, [published], valid_from=begins, reason=row.reason, author=row.author)
    _decide(db, row, APPROVED, told)
    audit.note(db, "knowledge.approve", subject=f"knowledge:{row.code}", reason=told)
    return revision


def approvable(db: Session, row: KnowledgeProposal, begins: date | None = None, *, allows_findings: bool = False) -> Entry:
    """The entry of a proposal that may be approved from a day; refused with the reason for any other."""
    entry = _decoded(row.kind, row.body)
    _not_past(db, begins or row.valid_from)
    held = newest_version(db, row.code)
    if held != row.base_version:
        raise Stale(
            f"规则 {row.code} 已有第 {held} 版,本申请基于第 {row.base_version} 版,不能批准", "请退回,由申请人按最新版本重新提交"
        )
    if not _only_ends(db, entry):
        _require_sound(db, entry)
    if isinstance(entry, MessageTemplate) and entry.allows_findings:
        if not allows_findings:
            raise Refused(
                "knowledge.findings_not_allowed", "本模板的消息会写明结果(数值、疾病名称),须由审批人单独同意",
                "请打开本申请,勾选同意后批准", "allows_findings",
            )  # fmt: skip
        entry = msgspec.structs.replace(entry, approver=actor_of(db).name)
    return entry


def reject(db: Session, proposal_id: UUID, *, note: str) -> None:
    """Another person than the author turns a proposal down, with the reason."""
    told = reason_of(note, "请填写退回原因", "note")
    row = decidable(db, proposal_id)
    _decide(db, row, REJECTED, told)
    audit.note(db, "knowledge.reject", subject=f"knowledge:{row.code}", reason=told)


def withdraw(db: Session, proposal_id: UUID) -> None:
    """The author takes an open proposal back."""
    row = _row(db, proposal_id, lock=True)
    if row.author_id != actor_of(db).staff_id:
        raise Refused("knowledge.not_author", f"本申请由 {row.author} 提交,只有本人可以撤回", "如不同意,请退回并写明原因")
    _require_open(row)
    _decide(db, row, WITHDRAWN, "")
    audit.note(db, "knowledge.withdraw", subject=f"knowledge:{row.code}", reason=row.reason)


def approve_version(db: Session, code: str, version: int, *, note: str) -> int:
    """A doctor signs the newest version as it stands, such as a shipped one; returns the revision.

    Refused for a version that is not the newest, that is approved already, that the signer wrote, or whose examples fail.
    """
    told = reason_of(note, "请填写批准依据", "note")
    counter = _lock_store(db)
    last, actor = service.history(db, code)[0], actor_of(db)
    if last.version != version:
        raise Stale(f"规则 {code} 已有第 {last.version} 版", "请核对最新版本后再批准")
    if last.approved:
        raise Refused("knowledge.approved_already", f"规则 {code} 第 {version} 版已经批准", "请刷新页面")
    if actor.staff_id is None:
        raise Refused("knowledge.nobody", "只有医师本人可以批准规则", "请登录后在规则页面批准")
    if last.author == actor.name:
        raise Refused("knowledge.second_person", "不能批准自己写的规则", "请由另一位主检医师批准")
    _require_sound(db, last.entry)
    counter.revision += 1
    house = house_of(db)
    db.add(
        KnowledgeApproval(
            id=house.ids.new(), code=code, version=version, revision=counter.revision, staff_id=actor.staff_id, name=actor.name,
            at=house.clock.now(), note=told,
        )
    )  # fmt: skip
    db.flush()
    audit.note(db, "knowledge.approve_version", subject=f"knowledge:{code}", reason=told)
    return counter.revision


def _lock_store(db: Session) -> KnowledgeRevision:
    """One decision at a time, so that two of them cannot both take the same version for the newest."""
    counter = db.execute(select(KnowledgeRevision).where(KnowledgeRevision.id == 1).with_for_update()).scalar()
    if counter is None:
        raise Refused("knowledge.empty", "规则库为空", "请先运行 exam migrate")
    return counter


def decidable(db: Session, proposal_id: UUID, *, lock: bool = True) -> KnowledgeProposal:
    """An open proposal of somebody else; refused for one's own, for a program, and for one that is decided."""
    row, actor = _row(db, proposal_id, lock=lock), actor_of(db)
    _require_open(row)
    if row.author_id is not None and row.author_id == actor.staff_id:
        raise Refused("knowledge.second_person", "不能审批自己提交的申请", "请由另一位主检医师审批,或撤回本申请")
    if actor.staff_id is None:
        raise Refused("knowledge.nobody", "只有医师本人可以审批", "请登录后在审批页面处理")
    return row


def _require_open(row: KnowledgeProposal) -> None:
    if row.state != OPEN:
        raise Refused("knowledge.decided", f"该申请{STATE_NAMES[row.state]},不能再次处理", "请刷新审批列表")


def _require_sound(db: Session, entry: Entry) -> None:
    problems = problems_of(db, entry)
    if problems:
        told = ";".join(text for _, text in problems[:5])
        raise Refused("knowledge.unsound", f"规则 {entry.code} 不能批准:{told}", "请修改规则或例子后重新提交")


def _decide(db: Session, row: KnowledgeProposal, state: str, decision: str) -> None:
    actor = actor_of(db)
    row.state, row.decided_by_id, row.decided_by = state, actor.staff_id, actor.name
    row.decided_at, row.decision = house_of(db).clock.now(), decision
    db.flush()


# --- what speaks unapproved ------------------------------------------------------------------------------------------


def unapproved(db: Session, spoken: Iterable[tuple[str, int]], on: date) -> frozenset[tuple[str, int]]:
    """Which of these `(code, version)` nobody has approved. Usually all are in force that day and cost no statement of their own."""
    book = {entry.code: entry for entry in service.rules_in_force(db, on).book.entries}
    found: set[tuple[str, int]] = set()
    old: set[tuple[str, int]] = set()
    for code, version in set(spoken):
        if code == PLAIN_RULE:
            continue
        entry = book.get(code)
        if entry is None or entry.version != version:
            old.add((code, version))
        elif not entry.approved:
            found.add((code, version))
    if old:
        rows = db.execute(
            select(KnowledgeRule.code, KnowledgeRule.version, KnowledgeRule.approved, KnowledgeApproval.id)
            .outerjoin(
                KnowledgeApproval,
                (KnowledgeApproval.code == KnowledgeRule.code) & (KnowledgeApproval.version == KnowledgeRule.version),
            )
            .where(KnowledgeRule.code.in_({code for code, _ in old}))
        )
        known = {(code, version): bool(approved or signed) for code, version, approved, signed in rows}
        found |= {each for each in old if each in known and not known[each]}
    return frozenset(found)
