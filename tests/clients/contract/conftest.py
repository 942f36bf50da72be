"""The table of the contract suite, which is filled once and printed at the end."""

from __future__ import annotations

import pytest
from table import Table, drawn, filled, written

_TABLE = pytest.StashKey[Table]()


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Table:
    found = filled(tmp_path_factory.mktemp("contract"))
    request.config.stash[_TABLE] = found
    written(found)
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if found := config.stash.get(_TABLE, None):
        terminalreporter.section("the contract suite")
        terminalreporter.write_line(drawn(found))
