"""Every client does what every case expects."""

from __future__ import annotations

from pathlib import Path

import pytest
from languages import LANGUAGES, ROOT
from table import CASES, Table

LIMIT = 1800  # seconds, with builds from cold caches


@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("case", [case["name"] for case in CASES])
@pytest.mark.parametrize("language", [language.name for language in LANGUAGES])
def test_case(language: str, case: str, table: Table) -> None:
    cell = table[language][case]

    assert cell.is_green, f"{cell.status}: {cell.message}"


def test_every_client_takes_part() -> None:
    clients = {str(path.relative_to(ROOT)) for path in Path(ROOT, "clients").iterdir() if path.is_dir()}

    assert clients == {language.folder for language in LANGUAGES}


def test_the_names_of_cases_differ() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES)
