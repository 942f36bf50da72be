"""Every client passes the unit tests and the checks of its own ecosystem."""

from __future__ import annotations

import pytest
from languages import BUILD_LIMIT, LANGUAGES, Language

CHECKS = [(language, name) for language in LANGUAGES for name in language.checks]


@pytest.mark.timeout(2 * BUILD_LIMIT)
@pytest.mark.parametrize(("language", "check"), CHECKS, ids=lambda value: getattr(value, "name", value))
def test_check(language: Language, check: str) -> None:
    language.prepare()
    language.execute(language.checks[check])
