"""Requests that are kept as long as their operation, and what frontends have to know of it later."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("operations", sa.Column("keep_request", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("operations", sa.Column("note", sa.String, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("operations", "note")
    op.drop_column("operations", "keep_request")
