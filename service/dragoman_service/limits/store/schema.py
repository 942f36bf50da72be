"""The tables of limits and usage, in the database of operations. Its migrations are those of operations."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

# A window of the calendar is a row of its own, with its start in the key: nothing is ever reset. A rate has one row,
# with the start 0; `level` is what was taken out of its bucket, as of `updated`. All times are milliseconds since 1970.
limit_counters = Table(
    "limit_counters",
    metadata,
    Column("scope", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("window_start", BigInteger, primary_key=True, autoincrement=False),
    Column("used", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("level", Float(53), nullable=False),
    Column("updated", BigInteger, nullable=False),
)

# What workers have of the reserved units. A row with an empty scope says that the worker lives.
allowances = Table(
    "allowances",
    metadata,
    Column("worker", String, primary_key=True),
    Column("scope", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("window_start", BigInteger, primary_key=True, autoincrement=False),
    Column("granted", BigInteger, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
)
Index("allowances_by_lease", allowances.c.lease_until)

usage = Table(
    "usage",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),
    Column("key", String, nullable=False),
    Column("team", String, nullable=False),
    Column("model", String, nullable=False),
    Column("provider", String, nullable=False),
    Column("served_model", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("input", BigInteger, nullable=False),
    Column("cached", BigInteger, nullable=False),
    Column("cache_write", BigInteger, nullable=False),
    Column("output", BigInteger, nullable=False),
    Column("reasoning", BigInteger, nullable=False),
    Column("cost", BigInteger),
    Column("price_version", String, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("outcome", String, nullable=False),
    Column("labels_hash", LargeBinary, nullable=False),
)
Index("usage_by_time", usage.c.time, usage.c.call_id, usage.c.attempt)
Index("usage_by_key", usage.c.key, usage.c.time, usage.c.call_id, usage.c.attempt)

GROUPS = ("hour", "key", "team", "model", "provider", "served_model")
SUMS = (
    *("requests", "attempts", "input", "cached", "cache_write", "output", "reasoning"),
    *("cost", "unpriced", "estimated"),
)
usage_hourly = Table(
    "usage_hourly",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, String, primary_key=True) for name in GROUPS[1:]),
    *(Column(name, BigInteger, nullable=False) for name in SUMS),
)
