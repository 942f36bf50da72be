"""The keys of callers: which ids they may have, and which models their patterns allow."""

from __future__ import annotations

from pathlib import Path

import pytest
from dragoman_service.catalogue.aliases import Alias, covers, matches
from dragoman_service.settings.settings import SettingsError, load

KEY = f'[[access.keys]]\nsha256 = "{"0" * 64}"\n'


def read(folder: Path, text: str) -> str:
    """The mistakes in the settings."""
    file = folder / "dragoman.toml"
    file.write_text(KEY + text)
    try:
        load(file)
    except SettingsError as wrong:
        return str(wrong)
    return ""


@pytest.mark.parametrize("caller", ["anonymous", "Anonymous", "ANONYMOUS"])
def test_a_key_cannot_have_the_name_of_the_callers_without_one(tmp_path: Path, caller: str) -> None:
    assert read(tmp_path, f'id = "{caller}"').startswith("access.keys.0.id: should not be 'anonymous'")


def test_no_pattern_does_not_mean_all(tmp_path: Path) -> None:
    assert read(tmp_path, 'id = "a"\nmodels = []').startswith("access.keys.0.models: should have at least one pattern")
    assert read(tmp_path, 'id = "a"\nmodels = [""]').startswith("access.keys.0.models.0: ")
    assert read(tmp_path, 'id = "a"\nmodels = ["*"]') == ""
    assert read(tmp_path, 'id = "a"') == ""


@pytest.mark.parametrize(
    ("pattern", "name", "allowed"),
    [
        ("vendor/*", "vendor/x", True),
        ("*", "any/thing", True),
        ("gpt-[4]", "gpt-4", False),
        ("gpt-[4]", "gpt-[4]", True),
        ("gpt-?", "gpt-4", False),
        ("gpt-?", "gpt-?", True),
        ("[!a]*", "b", False),
        ("*[1]", "x[1]", True),
    ],
)
def test_only_the_asterisk_is_special_in_a_pattern(pattern: str, name: str, allowed: bool) -> None:
    assert matches(pattern, name) is allowed
    assert covers(pattern, Alias(name, ())) is allowed
