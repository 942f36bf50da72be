"""The lists of what images are made of: a distribution that is missing in one is noticed."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return runpy.run_path(str(SCRIPTS / "sbom.py"))


def test_distributions_that_a_list_lacks_are_named(script: dict[str, Any]) -> None:
    installed = script["installed"](Path(sys.executable))
    components = [{"name": name.upper().replace("-", "_"), "version": version} for name, version in installed.items()]
    first = next(iter(installed))
    main = components.pop()  # the project itself stands apart from what it is made of
    whole = {"components": components, "metadata": {"component": main}}
    older = [*components[1:], components[0] | {"version": "0"}]

    assert len(installed) > 40
    assert script["unlisted"](installed, whole) == []
    assert script["unlisted"](installed, whole | {"components": components[1:]}) == [first]
    assert script["unlisted"](installed, whole | {"components": older}) == [first]
