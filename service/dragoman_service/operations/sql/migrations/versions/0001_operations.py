"""Operations, and the key that signs page tokens."""

from __future__ import annotations

from secrets import token_bytes

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "operations",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.Column("start_time", sa.BigInteger),
        sa.Column("update_time", sa.BigInteger, nullable=False),
        sa.Column("end_time", sa.BigInteger),
        sa.Column("expire_time", sa.BigInteger),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("worker", sa.String),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("losses", sa.Integer, nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.Column("output_characters", sa.BigInteger, nullable=False),
        sa.Column("usage", sa.LargeBinary),
        sa.Column("response", sa.LargeBinary),
        sa.Column("error", sa.LargeBinary),
    )
    ended = sa.text("expire_time IS NOT NULL")
    op.create_index("operations_by_owner", "operations", ["owner", "id"])
    op.create_index("operations_by_age", "operations", ["state", "create_time", "id"])
    op.create_index("operations_by_expiry", "operations", ["expire_time"], sqlite_where=ended, postgresql_where=ended)
    secrets = op.create_table(
        "secrets",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
    op.bulk_insert(secrets, [{"name": "page_token", "value": token_bytes(32)}])


def downgrade() -> None:
    op.drop_table("secrets")
    op.drop_table("operations")
