"""The event log, and columns for request ids, priorities and other options of an operation."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("operations", sa.Column("target", sa.String, nullable=False, server_default=""))
    op.add_column("operations", sa.Column("priority", sa.Integer, nullable=False, server_default="0"))
    op.add_column("operations", sa.Column("ttl", sa.BigInteger))
    op.add_column("operations", sa.Column("request_id", sa.String))
    op.add_column("operations", sa.Column("request_hash", sa.LargeBinary))
    op.create_table(
        "output_log",
        sa.Column("operation_id", sa.String, primary_key=True),
        sa.Column("first_sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.Column("events", sa.LargeBinary, nullable=False),
    )
    op.drop_index("operations_by_owner", "operations")
    op.drop_index("operations_by_age", "operations")
    op.drop_index("operations_by_expiry", "operations")
    _index("operations_by_owner", ["owner", "create_time", "id"])
    _index("operations_by_request_id", ["owner", "request_id"], "request_id IS NOT NULL", unique=True)
    _index("operations_queued", [sa.text("priority DESC"), "create_time", "id", "target"], "state = 'QUEUED'")
    _index("operations_running", ["lease_until", "target"], "state = 'RUNNING'")
    _index("operations_by_expiry", ["expire_time", "state"], "expire_time IS NOT NULL")
    # Without a log there are no events: a number other than 0 would promise them to readers.
    op.execute("UPDATE operations SET last_sequence = 0")


def downgrade() -> None:
    for name in ("queued", "running", "by_expiry", "by_request_id", "by_owner"):
        op.drop_index(f"operations_{name}", "operations")
    op.create_index("operations_by_owner", "operations", ["owner", "id"])
    op.create_index("operations_by_age", "operations", ["state", "create_time", "id"])
    _index("operations_by_expiry", ["expire_time"], "expire_time IS NOT NULL")
    op.drop_table("output_log")
    for name in ("target", "priority", "ttl", "request_id", "request_hash"):
        op.drop_column("operations", name)


def _index(name: str, columns: list[Any], where: str | None = None, unique: bool = False) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(name, "operations", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
