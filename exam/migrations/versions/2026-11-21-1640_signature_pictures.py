"""pictures of the doctors' hand-written signatures, their withdrawals, and which one a signature was given with.

Revision: 0006; after: 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import exam.kit.db

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exam_signature_picture",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("put_by", sa.String(), nullable=False),
        sa.Column("put_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(content) between 1 and 65536", name=op.f("ck_exam_signature_picture_content")),
        sa.CheckConstraint("width > 0 and height > 0", name=op.f("ck_exam_signature_picture_size")),
        sa.ForeignKeyConstraint(["staff_id"], ["exam_staff.id"], name=op.f("fk_exam_signature_picture_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam_signature_picture")),
    )
    op.create_index(op.f("ix_exam_signature_picture_staff_id"), "exam_signature_picture", ["staff_id"], unique=False)
    op.create_table(
        "exam_signature_picture_withdrawal",
        sa.Column("picture_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("withdrawn_by", sa.String(), nullable=False),
        sa.Column("withdrawn_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_exam_signature_picture_withdrawal_reason")),
        sa.ForeignKeyConstraint(
            ["picture_id"], ["exam_signature_picture.id"], name=op.f("fk_exam_signature_picture_withdrawal_picture_id")
        ),
        sa.PrimaryKeyConstraint("picture_id", name=op.f("pk_exam_signature_picture_withdrawal")),
    )
    op.create_table(
        "chief_review_signed_picture",
        sa.Column("signature_id", sa.Uuid(), nullable=False),
        sa.Column("picture_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["picture_id"], ["exam_signature_picture.id"], name=op.f("fk_chief_review_signed_picture_picture_id")
        ),
        sa.ForeignKeyConstraint(
            ["signature_id"], ["chief_review_signature.id"], name=op.f("fk_chief_review_signed_picture_signature_id")
        ),
        sa.PrimaryKeyConstraint("signature_id", name=op.f("pk_chief_review_signed_picture")),
    )


def downgrade() -> None:
    op.drop_table("chief_review_signed_picture")
    op.drop_table("exam_signature_picture_withdrawal")
    op.drop_index(op.f("ix_exam_signature_picture_staff_id"), table_name="exam_signature_picture")
    op.drop_table("exam_signature_picture")
