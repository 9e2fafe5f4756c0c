"""People's tables. Document numbers, phones and addresses are sealed per field; searching goes through blind indexes."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class Organization(Model):
    """An employer or other organisation (单位)."""

    __tablename__ = "exam_organization"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    pinyin: Mapped[str]
    active: Mapped[bool]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (Index("ix_exam_organization_pinyin", "pinyin"),)
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class Person(Model):
    """A person's file (档案). `file_no` is one per person for ever; `merged_into` points to the file that replaced it."""

    __tablename__ = "exam_person"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    file_no: Mapped[str] = mapped_column(unique=True)
    site: Mapped[str]
    name: Mapped[str]
    sex: Mapped[str]
    birth_on: Mapped[date]
    nation: Mapped[str]
    marital: Mapped[str]
    phone: Mapped[bytes]
    phone_index: Mapped[bytes]
    phone_tail: Mapped[bytes]
    address: Mapped[bytes]
    organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_organization.id"))
    merged_into: Mapped[UUID | None] = mapped_column(ForeignKey("exam_person.id"))
    created_at: Mapped[datetime]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint("sex in ('M', 'F')", name="sex"),
        Index("ix_exam_person_name", "name"),
        Index("ix_exam_person_phone_index", "phone_index"),
        Index("ix_exam_person_phone_tail", "phone_tail"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class IdDocument(Model):
    """A person's identity document. The same number belongs to one person only: its blind index is unique."""

    __tablename__ = "exam_id_document"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("exam_person.id"), index=True)
    kind: Mapped[str]
    number: Mapped[bytes]
    number_index: Mapped[bytes] = mapped_column(unique=True)
    number_tail: Mapped[bytes] = mapped_column(index=True)
    added_at: Mapped[datetime]


class PersonSpelling(Model):
    """One spelling of a person's name in pinyin (full or initials), for search by prefix."""

    __tablename__ = "exam_person_spelling"
    __audited__ = False

    person_id: Mapped[UUID] = mapped_column(ForeignKey("exam_person.id"), primary_key=True)
    spelling: Mapped[str] = mapped_column(primary_key=True)

    __table_args__ = (Index("ix_exam_person_spelling", "spelling"),)
