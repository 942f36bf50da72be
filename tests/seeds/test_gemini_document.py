"""The programs of docs/gemini.md run as they are, with the settings of that page. Each runs with one of the majors."""

from __future__ import annotations

import pytest
from documented import ADDRESS, KEY, SECURE, programs
from gemini_server import PAGE
from seed_program import run
from tls_server import TlsServer

PROGRAMS = list(programs(PAGE))


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_documented_program_runs(number: int, gemini: TlsServer) -> None:
    program = PROGRAMS[number]
    changed = program.changed(gemini.server.root, gemini.server.key, gemini.server.grpc)
    environment = program.environments[number % len(program.environments)]
    output = run(environment, changed.source, environ=changed.environ | gemini.trusting)

    assert output.text.strip()


def test_every_documented_program_sets_address_and_key() -> None:
    for program in PROGRAMS:
        given = program.source + "".join(program.environ.values())

        assert given.count(ADDRESS) + given.count(SECURE) == given.count(KEY) == 1


def test_the_programs_cover_all_majors() -> None:
    covered = {program.environments[number % len(program.environments)] for number, program in enumerate(PROGRAMS)}

    assert covered == {environment for program in PROGRAMS for environment in program.environments}
