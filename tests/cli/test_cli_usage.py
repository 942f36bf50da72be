"""`dragoman usage` and `dragoman limits` against a service whose ledger has attempts of several callers."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import typer
from dragoman_command import Service, invoke, serving
from dragoman_service.cli.quotas.money import dollars
from dragoman_service.cli.quotas.wanted import moment
from dragoman_service.limits.store.interface import Settlement
from dragoman_service.limits.store.opening import limits_of
from dragoman_service.limits.store.records import UsageRow
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store
from recorded import KEYS, attempts

HOUR = 3_600_000  # milliseconds
NOON = int(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp() * 1000)
LIMITS = """
[limits]
timezone = "Europe/Berlin"
[limits.keys."*"]
requests = { minute = 600, burst = 50 }
models."gpt-*".cost = { month = "2.50 USD" }
[limits.teams.search]
tokens = { day = 1000 }
enforce = false
"""


async def write(folder: Path, rows: list[UsageRow]) -> None:
    context = StoreContext(folder, lambda changed, work, stopped: None)
    async with open_store("sqlite:///operations.db", context) as store:
        await limits_of(store).settle([Settlement(each) for each in rows])


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with three attempts of two callers, one in each of three hours from noon on, and one of eve."""
    folder = tmp_path_factory.mktemp("ledger")
    rows = [*attempts(), UsageRow("f#1", 1, key="eve", team="ads", model="=1+1", provider="p", served_model="s, t")]
    asyncio.run(write(folder, rows))
    with sqlite3.connect(folder / "operations.db") as database:
        for number, row in enumerate(rows):
            at = NOON + number * HOUR
            database.execute(
                "UPDATE usage SET time = ? WHERE call_id = ? AND attempt = ?", (at, row.call_id, row.attempt)
            )
        database.execute("UPDATE usage_hourly SET hour = ?", (NOON,))
    tables = (["[[access.keys]]", *(f"{name} = {json.dumps(value)}" for name, value in key.items())] for key in KEYS)
    keys = "\n".join(line for table in tables for line in table)
    (folder / "dragoman.toml").write_text(f'{LIMITS}{keys}\n[providers.echo]\nplugin = "echo"\n')
    with serving(folder, "--config", str(folder / "dragoman.toml")) as service:
        yield service


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine is in another time zone."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


def ask(service: Service, holder: str, *arguments: str) -> CompletedProcess[str]:
    return service.ask(*arguments, DRAGOMAN_API_KEY=holder)


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_usage_is_a_table_by_model(ledger: Service) -> None:
    shown = ask(ledger, "ann", "usage")

    assert table(shown.stdout) == [
        ["MODEL", "REQUESTS", "ATTEMPTS", "INPUT", "CACHED", "WRITTEN", "OUTPUT", "REASONING", "USD", "UNPRICED"],
        ["best", "1", "2", "7", "2", "0", "5", "3", "0.000004", "1"],
    ]
    assert shown.stderr == "1 requests, 12 tokens, 0.000004 USD, 1 attempts without a price\n"


def test_usage_is_grouped_by_up_to_three(ledger: Service) -> None:
    shown = ask(ledger, "auditor", "usage", "--by", "day", "--by", "key", "--by", "target", "--json")
    groups = [tuple(one["group"]) for one in json.loads(shown.stdout)]

    assert ("2026-11-01", "ann", "echo/big") in groups
    assert {group[1] for group in groups} == {"ann", "bob", "eve"}
    for wrong in (("day", "key", "team", "model"), ("day", "day")):
        refused = ask(ledger, "auditor", "usage", *(word for one in wrong for word in ("--by", one)))
        assert refused.returncode == 2
        assert "--by" in refused.stderr


def test_usage_is_filtered_by_times_and_names(ledger: Service) -> None:
    def requests(*arguments: str) -> list[str]:
        return [line[0] for line in table(ask(ledger, "auditor", "usage", "--by", "key", *arguments).stdout)[1:]]

    assert requests("--team", "search") == ["ann", "bob"]
    assert requests("--key", "eve", "--provider", "other") == ["eve"]
    assert requests("--model", "small") == ["eve"]
    assert requests("--from", "2026-11-02") == []
    assert requests("--to", "2026-11-01T12:00") == []
    assert len(requests("--from", "2026-11-01", "--to", "2026-11-02")) == 3


def test_the_usage_of_others_is_refused_with_the_scope_that_is_missing(ledger: Service) -> None:
    for command in (("usage",), ("usage", "export")):
        refused = ask(ledger, "ann", *command, "--key", "bob")

        assert (refused.returncode, refused.stdout) == (1, "")
        assert "SCOPE_MISSING" in refused.stderr
        assert "usage.read" in refused.stderr


def test_an_export_is_complete_and_repeatable(ledger: Service, tmp_path: Path) -> None:
    options = ("--from", "2026-11-01", "--to", "2026-12-01")
    first = ask(ledger, "auditor", "usage", "export", *options)
    again = ask(ledger, "auditor", "usage", "export", *options, "-o", str(tmp_path / "usage.csv"))
    rows = list(csv.DictReader(io.StringIO(first.stdout)))

    assert [(row["call_id"], row["attempt"]) for row in rows] == [
        ("one", "1"), ("one", "2"), ("two", "1"), ("three", "1"), ("f", "1"),
    ]  # fmt: skip
    assert (rows[0]["time"], rows[0]["outcome"], rows[0]["cost_usd"]) == ("2026-11-01T12:00:00Z", "failed", "")
    assert (rows[1]["caller"], rows[1]["team"], rows[1]["cost_usd"]) == ("ann", "search", "0.000004")
    assert (rows[1]["input_tokens"], rows[1]["estimated"]) == ("7", "true")
    assert again.stdout == ""
    assert (tmp_path / "usage.csv").read_text() == first.stdout
    assert "5 attempts" in again.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["usage.csv"]


def test_a_spreadsheet_runs_nothing_that_a_caller_wrote(ledger: Service) -> None:
    shown = ask(ledger, "eve", "usage", "export")
    last = list(csv.DictReader(io.StringIO(shown.stdout)))[-1]

    assert (last["model"], last["served_model"]) == ("'=1+1", "s, t")


def test_an_export_as_lines_of_json_has_the_records_as_they_are(ledger: Service) -> None:
    shown = ask(ledger, "eve", "usage", "export", "--format", "jsonl", "--from", "2026-11-01T16:00Z")
    (record,) = (json.loads(line) for line in shown.stdout.splitlines())

    assert record == {
        "callId": "f", "attempt": 1, "time": "2026-11-01T16:00:00Z", "caller": "eve", "team": "ads", "model": "=1+1",
        "provider": "p", "servedModel": "s, t", "usage": {}, "outcome": "ok",
    }  # fmt: skip


def test_an_export_that_fails_leaves_the_file_as_it_was(ledger: Service, tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    file.write_text("before")
    refused = ask(ledger, "ann", "usage", "export", "--key", "bob", "-o", str(file))
    nowhere = ask(ledger, "ann", "usage", "export", "-o", str(tmp_path / "none" / "usage.csv"))

    assert refused.returncode == 1
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["usage.csv"]
    assert nowhere.returncode == 2
    assert "No such file" in nowhere.stderr


def test_options_before_the_name_of_the_export_are_not_ignored(ledger: Service) -> None:
    refused = ask(ledger, "auditor", "usage", "--team", "ads", "export")

    assert refused.returncode == 2
    assert "after export" in refused.stderr


def test_limits_are_shown_with_what_is_left(ledger: Service) -> None:
    shown = ask(ledger, "ann", "limits")
    lines = [line.rsplit("  ", 1)[0].split("  ") for line in shown.stdout.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]

    assert cells[1][:7] == ["key", "requests per minute", "all", "600 (at most 50 at once)", "0", "0", "50"]
    assert cells[2][:7] == ["key", "usd per month", "gpt-*", "2.50", "0.00", "0.00", "2.50"]
    assert cells[3][:4] == ["team", "tokens per day", "all", "1000 (not enforced)"]


def test_limits_of_a_model_and_as_json(ledger: Service) -> None:
    shown = json.loads(ask(ledger, "lone", "limits", "--model", "echo", "--json").stdout)
    nobody = invoke("limits", "--model", "none", DRAGOMAN_TARGET=ledger.target, DRAGOMAN_API_KEY="lone")

    assert [(one["scope"], one["unit"], one["window"]) for one in shown] == [
        ("SCOPE_KEY", "UNIT_REQUESTS", "minute")
    ]  # fmt: skip
    assert (nobody.returncode, "MODEL_NOT_FOUND" in nobody.stderr) == (1, True)


def test_a_service_without_quotas_says_what_turns_them_on(service: Service) -> None:
    for command in (("limits",), ("usage",), ("usage", "export")):
        refused = service.ask(*command)

        assert refused.returncode == 1
        assert "[limits]" in refused.stderr


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T12:30", datetime(2026, 11, 1, 12, 30, tzinfo=UTC)),
        ("2026-11-01T12:30+02:00", datetime(2026, 11, 1, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_time_without_an_offset_is_in_utc(text: str, found: datetime, in_tokyo: None) -> None:
    assert moment(text) == found


def test_a_duration_is_how_long_ago() -> None:
    assert abs(moment("7d") - (datetime.now(UTC) - timedelta(days=7))) < timedelta(minutes=1)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "7x", "999999999d", "0001-01-01T00:00+14:00"])
def test_another_time_is_a_usage_error(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="2026-11-01"):
        moment(text)


@pytest.mark.parametrize(
    ("nano_usd", "text"),
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (12_500_000_000, "12.50"),
        (1_000_000_000_000, "1000.00"),
        (123_456_000, "0.123456"),
    ],
)
def test_money_is_exact(nano_usd: int, text: str) -> None:
    assert dollars(nano_usd) == text
