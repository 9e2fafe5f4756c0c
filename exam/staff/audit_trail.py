"""Reading the audit: by day, actor, subject and act, page by page; and whom somebody touched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

import msgspec
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from exam.kit import audit
from exam.kit.audit import Audit
from exam.kit.clock import CENTRE_ZONE, local
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of

PAGE_SIZE = 50
MOST_EXPORTED = 50_000
MOST_TOUCHED = 1_000

RESULTS = {"ok": "成功", "refused": "拒绝"}
ACT_NAMES = {
    "auth.sign_in": "登录", "auth.sign_out": "退出", "auth.change_password": "修改密码", "auth.open_signing": "开启签名",
    "auth.sign_in_second": "重复登录", "auth.end_other_sessions": "退出其他登录", "staff.disable_unused": "停用长期未用账号",
    "staff.ask_recovery": "申请双人恢复", "staff.approve_recovery": "批准双人恢复", "staff.refuse_recovery": "不批准双人恢复",
    "staff.withdraw_recovery": "撤回双人恢复", "staff.create": "新建账号",
    "staff.reset_password": "重置密码", "staff.reset_second_factor": "重置动态码",
    "staff.enable": "启用账号", "staff.disable": "停用账号", "staff.end_sessions": "强制退出", "staff.set_role": "设置角色",
    "staff.new_permissions": "升级带来的新权限",
    "staff.put_signature_picture": "上传签名图片", "staff.withdraw_signature_picture": "撤下签名图片",
    "staff.grant": "授权", "staff.revoke": "收回授权", "audit.export": "导出审计日志", "audit.touched": "查询接触对象",
    "audit.detail": "查看审计明细",
    "catalog.change": "修改目录", "catalog.import": "导入目录", "catalog.export": "导出目录", "people.read": "查看档案",
    "people.correct": "更正档案", "people.reveal_id_no": "查看完整证件号", "people.reveal_phone": "查看完整电话",
    "people.reveal_address": "查看完整地址",
}  # fmt: skip
"""The sentences of the ground floor's own acts; other rooms' acts show the permission they needed, or their code."""


class Filter(msgspec.Struct, frozen=True):
    """What to look for; empty means all. Days are the centre's; `act` matches from its beginning."""

    day_from: date
    day_to: date
    actor: str = ""
    subject: str = ""
    act: str = ""
    result: str = ""


class Line(msgspec.Struct, frozen=True):
    """One act as the auditor sees it; `rows` counts the rows that it changed."""

    at: datetime
    actor: str
    terminal: str
    act: str
    act_name: str
    result: str
    subject: str
    reason: str
    rows: int
    writer: int
    seq: int

    @property
    def moment(self) -> str:
        """The centre's time with seconds: acts of one minute are told apart by it."""
        return f"{local(self.at):%Y-%m-%d %H:%M:%S}"


class Touch(msgspec.Struct, frozen=True):
    """A subject that somebody read or changed: how often, first and last."""

    subject: str
    times: int
    first_at: datetime
    last_at: datetime

    @property
    def moments(self) -> tuple[str, str]:
        """First and last in the centre's time, with seconds."""
        return f"{local(self.first_at):%Y-%m-%d %H:%M:%S}", f"{local(self.last_at):%Y-%m-%d %H:%M:%S}"


def lines(db: Session, wanted: Filter, page: int) -> tuple[list[Line], int]:
    """One page of acts, newest first, and how many there are in all."""
    statement = _where(db, wanted)
    total = db.scalar(select(func.count()).select_from(statement.subquery())) or 0
    rows = db.scalars(statement.order_by(*_NEWEST_FIRST).limit(PAGE_SIZE).offset((max(page, 1) - 1) * PAGE_SIZE))
    return [line_of(db, row) for row in rows], total


def export(db: Session, wanted: Filter) -> Iterator[Line]:
    """All acts of a filter, oldest first. The export is itself an act of the audit."""
    statement = _where(db, wanted)
    total = db.scalar(select(func.count()).select_from(statement.subquery())) or 0
    if total > MOST_EXPORTED:
        text = f"共 {total} 条,一次最多导出 {MOST_EXPORTED} 条"
        raise Refused("audit.too_many", text, "请缩短日期范围或增加条件后再导出", "day_from")
    audit.read(db, "audit.export", "audit:", described(wanted))
    return (line_of(db, row) for row in db.scalars(statement.order_by(Audit.at, Audit.writer, Audit.seq)))


def touched(db: Session, wanted: Filter) -> list[Touch]:
    """Whom or what an actor read or changed in these days, the latest first."""
    if not wanted.actor:
        raise Refused("audit.actor_missing", "请先填写操作人", "查询“接触过谁”需要操作人用户名", "actor")
    audit.read(db, "audit.touched", f"staff:{wanted.actor}", described(wanted))
    found = _where(db, wanted).where(Audit.subject != "").subquery()
    first_at, last_at = func.min(found.c.at).label("first_at"), func.max(found.c.at).label("last_at")
    grouped = (
        select(found.c.subject, func.count().label("times"), first_at, last_at)
        .group_by(found.c.subject)
        .order_by(func.max(found.c.at).desc())
        .limit(MOST_TOUCHED)
    )
    return [Touch(row.subject, row.times, row.first_at, row.last_at) for row in db.execute(grouped)]


def described(wanted: Filter) -> str:
    """A filter in one line, for the audit of the audit."""
    parts = [f"{wanted.day_from}…{wanted.day_to}", wanted.actor, wanted.subject, wanted.act, wanted.result]
    return " ".join(part for part in parts if part)[:200]


def act_name(db: Session, act: str) -> str:
    """An act in Chinese, as far as it has a name."""
    return ACT_NAMES.get(act) or house_of(db).modules.permissions.get(act, act)


_NEWEST_FIRST = (Audit.at.desc(), Audit.writer, Audit.seq.desc())


def _where(db: Session, wanted: Filter) -> Select[Audit]:
    # Refused sign-ins have no actor and so no site; they are everybody's business.
    statement = select(Audit).where(
        Audit.site.in_([actor_of(db).site, ""]),
        Audit.at >= _midnight(wanted.day_from),
        Audit.at < _midnight(wanted.day_to) + timedelta(days=1),
    )
    if wanted.actor:
        statement = statement.where(Audit.actor == wanted.actor)
    if wanted.subject:
        statement = statement.where(Audit.subject >= wanted.subject, Audit.subject < wanted.subject + "\U0010ffff")
    if wanted.act:
        statement = statement.where(Audit.act >= wanted.act, Audit.act < wanted.act + "\U0010ffff")
    if wanted.result:
        statement = statement.where(Audit.result == wanted.result)
    return statement


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), CENTRE_ZONE)


def line_of(db: Session, row: Audit) -> Line:
    """A stored act as the auditor sees it."""
    return Line(
        at=row.at, actor=row.actor, terminal=row.terminal, act=row.act, act_name=act_name(db, row.act),
        result=RESULTS.get(row.result, row.result), subject=row.subject, reason=row.reason,
        rows=row.rows.count("\n") + 1 if row.rows else 0, writer=row.writer, seq=row.seq,
    )  # fmt: skip
