"""The alerts' tables: what was found and every step of its loop (append-only), and where each alert stands (rebuilt from them)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class AlertRow(Model):
    """What a rule found in a visit. A visit has one alert of a rule; the finding that comes back opens it again.

    `items`, `evidence` and `call_back_days` are JSON lists; the texts hold results, which no event does.
    """

    __tablename__ = "critical_values_alert"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site: Mapped[str]
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"))
    rule: Mapped[str]
    rule_version: Mapped[int]
    alert_class: Mapped[str]
    name: Mapped[str]
    department: Mapped[str]
    items: Mapped[str] = mapped_column(Text)
    evidence: Mapped[str] = mapped_column(Text)
    specialist: Mapped[str]
    advice: Mapped[str] = mapped_column(Text)
    call_back_days: Mapped[str]
    is_private: Mapped[bool]
    found_at: Mapped[datetime]
    found_by: Mapped[str]

    __table_args__ = (
        UniqueConstraint("visit_id", "rule"),
        CheckConstraint("alert_class in ('critical', 'a', 'b')", name="alert_class"),
        Index("ix_critical_values_alert_found", "site", "found_at"),
    )


class AlertStep(Model):
    """One step of an alert's loop. `body` is the step's struct as JSON; the last number of an alert is its version."""

    __tablename__ = "critical_values_step"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    alert_id: Mapped[UUID] = mapped_column(ForeignKey("critical_values_alert.id"))
    number: Mapped[int]
    kind: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor: Mapped[str]
    body: Mapped[str] = mapped_column(Text)

    __table_args__ = (UniqueConstraint("alert_id", "number"), CheckConstraint("number > 0", name="number"))


class AlertAttachment(Model):
    """A file that came with a step: what it is called (sealed), what it is, and the digest under which its content is stored."""

    __tablename__ = "critical_values_attachment"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    alert_id: Mapped[UUID] = mapped_column(ForeignKey("critical_values_alert.id"), index=True)
    step_number: Mapped[int]
    name: Mapped[bytes]
    kind: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    put_at: Mapped[datetime]
    put_by: Mapped[str]

    __table_args__ = (
        CheckConstraint("kind in ('pdf', 'jpeg', 'png')", name="kind"), CheckConstraint("size > 0", name="size"),
    )  # fmt: skip


class AlertBoard(Model):
    """Where an alert stands, for lists: derived from its row and steps, and compared with them by `exam verify`.

    `next_step` is empty when nothing is waited for. `ring_at` is when the next in line is told, None when nobody is left.
    """

    __tablename__ = "critical_values_board"
    __audited__ = False

    alert_id: Mapped[UUID] = mapped_column(ForeignKey("critical_values_alert.id"), primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"))
    site: Mapped[str]
    alert_class: Mapped[str]
    state: Mapped[str]
    next_step: Mapped[str]
    due_at: Mapped[datetime | None]
    ring_at: Mapped[datetime | None]
    level: Mapped[int]
    duty_id: Mapped[UUID | None]
    duty: Mapped[str]
    attempts: Mapped[int]
    notified_at: Mapped[datetime | None]
    steps: Mapped[int]
    found_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_critical_values_board_visit", "visit_id"),
        Index("ix_critical_values_board_waiting", "site", "next_step", "due_at"),
        Index("ix_critical_values_board_found", "site", "found_at"),
        Index("ix_critical_values_board_ring", "ring_at"),
    )


class AlertPulse(Model):
    """A number for each site that grows with every change of its alerts: screens wait for it to change."""

    __tablename__ = "critical_values_pulse"
    __audited__ = False

    site: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]
