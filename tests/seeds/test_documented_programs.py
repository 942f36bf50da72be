"""The programs of docs/programs.md run as they are, with the settings of that page, which all these tests use."""

from __future__ import annotations

import pytest
from documented import ADDRESS, KEY, Program, programs
from seed_program import run
from seed_server import SeedServer

PROGRAMS = list(programs())
RUNS = [(environment, program) for program in PROGRAMS for environment in program.environments]


@pytest.mark.parametrize(
    ("environment", "program"), RUNS, ids=lambda value: value if isinstance(value, str) else str(PROGRAMS.index(value))
)
def test_a_documented_program_runs(environment: str, program: Program, server: SeedServer) -> None:
    changed = program.changed(server.root, server.key)
    output = run(environment, changed.source, environ=changed.environ)

    assert output.text.strip()


def test_every_documented_program_sets_address_and_key() -> None:
    for program in PROGRAMS:
        given = program.source + "".join(program.environ.values())

        assert given.count(ADDRESS) == given.count(KEY) == 1
