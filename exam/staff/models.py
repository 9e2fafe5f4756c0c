"""Staff tables. The three administrators are kinds of account that the database keeps apart from each other and from rights."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class Staff(Model):
    """One account of one person. `login` is unique after NFKC and case folding and is never given to somebody else.

    `kind` is `staff`, or one of the three administrators: `system`, `security`, `audit`. A person has one kind only.
    """

    __tablename__ = "exam_staff"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    title: Mapped[str]
    kind: Mapped[str]
    site: Mapped[str]
    active: Mapped[bool]
    password_hash: Mapped[str]
    password_changed_at: Mapped[datetime]
    password_must_change: Mapped[bool]
    password_expires_at: Mapped[datetime | None]
    totp_secret: Mapped[bytes]
    created_at: Mapped[datetime]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint("kind in ('staff', 'system', 'security', 'audit')", name="kind"),
        UniqueConstraint("id", "kind"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class AccountChange(Model):
    """That an account was disabled, and why, or opened again. `reason` is a `rules.Closed`, empty when it was opened."""

    __tablename__ = "exam_account_change"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("exam_staff.id"), index=True)
    is_active: Mapped[bool]
    reason: Mapped[str]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime]


class StaffPractice(Model):
    """Somebody's title and specialty (执业专业) from a day on, with the document that says so. Of several the latest day counts.

    `from_at` is the centre's midnight. What somebody signed keeps the title of the signature; the specialty is looked up here.
    """

    __tablename__ = "exam_staff_practice"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("exam_staff.id"), index=True)
    title: Mapped[str]
    specialty: Mapped[str]
    from_at: Mapped[datetime]
    source: Mapped[str] = mapped_column(Text)
    put_by: Mapped[str]
    put_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("source <> ''", name="source"),)


class AccountUse(Model):
    """When an account was last used: its last sign-in, or when an administrator opened it again."""

    __tablename__ = "exam_account_use"
    __audited__ = False

    staff_id: Mapped[UUID] = mapped_column(ForeignKey("exam_staff.id"), primary_key=True)
    used_at: Mapped[datetime]


class Recovery(Model):
    """One administrator's request to give somebody, who lost it, a new second factor, and a new password if that is lost too."""

    __tablename__ = "exam_recovery"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site: Mapped[str]
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("exam_staff.id"), index=True)
    is_password_lost: Mapped[bool]
    reason: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("exam_staff.id"))
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("id", "asked_by"), Index("ix_exam_recovery_site", "site", "asked_at"))


class RecoveryDecision(Model):
    """What became of a request; at most one row for each.

    `asked_by` repeats the request's, and the pair points to it: the database itself refuses an approval by the one who asked.
    """

    __tablename__ = "exam_recovery_decision"
    __append_only__ = True

    recovery_id: Mapped[UUID] = mapped_column(primary_key=True)
    asked_by: Mapped[UUID]
    outcome: Mapped[str]
    decided_by: Mapped[UUID] = mapped_column(ForeignKey("exam_staff.id"))
    decided_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(["recovery_id", "asked_by"], ["exam_recovery.id", "exam_recovery.asked_by"]),
        CheckConstraint("outcome in ('approved', 'refused', 'withdrawn')", name="outcome"),
        CheckConstraint("outcome <> 'approved' or decided_by <> asked_by", name="two_persons"),
    )


class SignaturePicture(Model):
    """A picture of somebody's hand-written signature: a normalised PNG (`exam.staff.ink`). The newest one is in force."""

    __tablename__ = "exam_signature_picture"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site: Mapped[str]
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("exam_staff.id"), index=True)
    content: Mapped[bytes]
    sha256: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    put_by: Mapped[str]
    put_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("length(content) between 1 and 65536", name="content"),
        CheckConstraint("width > 0 and height > 0", name="size"),
    )


class SignaturePictureWithdrawal(Model):
    """That a picture was taken back, and why; at most one row for each."""

    __tablename__ = "exam_signature_picture_withdrawal"
    __append_only__ = True

    picture_id: Mapped[UUID] = mapped_column(ForeignKey("exam_signature_picture.id"), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    withdrawn_by: Mapped[str]
    withdrawn_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("reason <> ''", name="reason"),)


class PasswordHistory(Model):
    """An earlier password's hash; the last five may not be used again."""

    __tablename__ = "exam_password_history"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("exam_staff.id"), index=True)
    password_hash: Mapped[str]
    at: Mapped[datetime]


class Role(Model):
    """A named set of permissions."""

    __tablename__ = "exam_role"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    ver: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class RolePermission(Model):
    """One permission of a role."""

    __tablename__ = "exam_role_permission"

    role: Mapped[str] = mapped_column(ForeignKey("exam_role.code"), primary_key=True)
    permission: Mapped[str] = mapped_column(primary_key=True)


class Grant(Model):
    """A role given to a person at a site, for all departments (empty) or for one.

    The pair `(staff_id, staff_kind)` points to the account and `staff_kind` must be `staff`: the database itself refuses
    a clinical or desk role for an administrator.
    """

    __tablename__ = "exam_grant"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID]
    staff_kind: Mapped[str]
    role: Mapped[str] = mapped_column(ForeignKey("exam_role.code"))
    site: Mapped[str]
    department: Mapped[str]
    granted_by: Mapped[str]
    granted_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(["staff_id", "staff_kind"], ["exam_staff.id", "exam_staff.kind"]),
        CheckConstraint("staff_kind = 'staff'", name="not_for_administrators"),
        UniqueConstraint("staff_id", "role", "site", "department"),
    )


class SignIn(Model):
    """A sign-in session. The id is stored hashed; `signing_*` is the window that a second factor opened."""

    __tablename__ = "exam_sign_in"
    __audited__ = False

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("exam_staff.id"), index=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    terminal: Mapped[str]
    signing_until: Mapped[datetime | None]
    signing_left: Mapped[int]


class SignInFailure(Model):
    """A failed sign-in or second factor, counted against a name and an address."""

    __tablename__ = "exam_sign_in_failure"
    __audited__ = False

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str]
    at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("ix_exam_sign_in_failure", "subject", "at"),)


class UsedCode(Model):
    """The last second-factor counter that an account used: a code works once."""

    __tablename__ = "exam_used_code"
    __audited__ = False

    staff_id: Mapped[UUID] = mapped_column(ForeignKey("exam_staff.id"), primary_key=True)
    counter: Mapped[int] = mapped_column(BigInteger)
