"""Cells that were not run are red, and say why."""

from __future__ import annotations

import sys

import pytest
import table
from languages import Language

SILENT = (sys.executable, "-c", "print('warming up')")
HALF = (sys.executable, "-c", 'print(\'{"case": "one", "status": "passed"}\')')


@pytest.fixture
def cell_of(monkeypatch, tmp_path):
    """Fills the table with one language, and returns the cells of two cases."""

    def fill(**properties):
        cases = [{"name": name, "server": "plain"} for name in ("one", "two")]
        language = Language(**{"name": "Some", "folder": "clients/python", "run": SILENT, **properties})
        monkeypatch.setattr(table, "CASES", cases)
        monkeypatch.setattr(table, "LANGUAGES", [language])
        monkeypatch.setattr(table, "servers", lambda folder: folder.mkdir() or _Servers(folder))
        return table.filled(tmp_path)["Some"]

    return fill


class _Servers:
    def __init__(self, folder):
        self.file = folder / "servers.json"

    def __enter__(self):
        return self.file

    def __exit__(self, *_):
        return None


def test_a_missing_toolchain_says_what_to_install(cell_of):
    cells = cell_of(needs={"no-such-compiler": "the package no-such-sdk"})

    assert [cell.status for cell in cells.values()] == ["not run", "not run"]
    assert "no-such-compiler is not installed. Install the package no-such-sdk" in cells["one"].message


def test_a_failed_build_shows_its_output(cell_of):
    cells = cell_of(build=((sys.executable, "-c", "raise SystemExit('semicolon expected')"),))

    assert not cells["one"].is_green
    assert "semicolon expected" in cells["one"].message


def test_a_runner_that_says_nothing_passed_nothing(cell_of):
    assert {cell.status for cell in cell_of().values()} == {"not run"}


def test_a_runner_that_stops_half_way_passed_half(cell_of):
    cells = cell_of(run=HALF)

    assert (cells["one"].status, cells["two"].status) == ("passed", "not run")
    assert "exit code 0" in cells["two"].message


def test_the_table_counts_what_passed(cell_of):
    cells = cell_of(run=HALF)

    assert table.drawn({"Some": cells}).splitlines() == ["     Some", "one  ok", "two  not run", "1 of 2 cells passed"]
