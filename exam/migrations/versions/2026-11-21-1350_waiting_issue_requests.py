"""the worker looks for waiting issue requests every second: an index, so that finished ones cost nothing.

Revision: 0004; after: 0003.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_reporting_issue_request_state", "reporting_issue_request", ["state", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_reporting_issue_request_state", table_name="reporting_issue_request")
