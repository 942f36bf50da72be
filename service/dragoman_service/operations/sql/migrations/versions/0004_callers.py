"""An index of the queue by caller, because callers share the slots of a worker."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns: list[Any] = ["owner", sa.text("priority DESC"), "create_time", "id", "target"]
    queued = sa.text("state = 'QUEUED'")
    op.create_index("operations_queued_by_owner", "operations", columns, sqlite_where=queued, postgresql_where=queued)


def downgrade() -> None:
    op.drop_index("operations_queued_by_owner", "operations")
