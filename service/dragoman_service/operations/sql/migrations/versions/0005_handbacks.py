"""How often a server that was shutting down has handed an operation back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("operations", sa.Column("handbacks", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("operations", "handbacks")
