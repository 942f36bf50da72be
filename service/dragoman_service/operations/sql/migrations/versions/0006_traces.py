"""The trace of the call that started an operation, because its runs are linked to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("operations", sa.Column("trace", sa.String))


def downgrade() -> None:
    op.drop_column("operations", "trace")
