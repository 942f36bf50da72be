"""The counters of limits, the allowances of workers, and the ledger of usage with its sums by hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "limit_counters",
        *_keys("scope", "kind"),
        _key("window_start"),
        *_numbers("used", "reserved"),
        sa.Column("level", sa.Float(53), nullable=False),
        *_numbers("updated"),
    )
    op.create_table(
        "allowances",
        *_keys("worker", "scope", "kind"),
        _key("window_start"),
        *_numbers("granted", "lease_until"),
    )
    op.create_index("allowances_by_lease", "allowances", ["lease_until"])
    op.create_table(
        "usage",
        *_keys("call_id"),
        _key("attempt", sa.Integer),
        *_numbers("time"),
        *_texts("key", "team", "model", "provider", "served_model", "kind"),
        sa.Column("requests", sa.Integer, nullable=False),
        *_numbers("input", "cached", "cache_write", "output", "reasoning"),
        sa.Column("cost", sa.BigInteger),
        *_texts("price_version"),
        sa.Column("estimated", sa.Boolean, nullable=False),
        *_texts("outcome"),
        sa.Column("labels_hash", sa.LargeBinary, nullable=False),
    )
    op.create_index("usage_by_time", "usage", ["time", "call_id", "attempt"])
    op.create_index("usage_by_key", "usage", ["key", "time", "call_id", "attempt"])
    op.create_table(
        "usage_hourly",
        _key("hour"),
        *_keys("key", "team", "model", "provider", "served_model"),
        *_numbers("requests", "attempts", "input", "cached", "cache_write", "output", "reasoning"),
        *_numbers("cost", "unpriced", "estimated"),
    )


def downgrade() -> None:
    for name in ("usage_hourly", "usage", "allowances", "limit_counters"):
        op.drop_table(name)


def _keys(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, primary_key=True) for name in names]


def _key(name: str, kind: type[sa.Integer] = sa.BigInteger) -> sa.Column[int]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]
