"""Settings that are a table or a single value: how their mistakes read."""

from __future__ import annotations

from pathlib import Path

import pytest
from dragoman_service.settings.routing import BreakerSettings
from dragoman_service.settings.settings import Settings, SettingsError, load


def read(text: str, folder: Path) -> Settings:
    file = folder / "dragoman.toml"
    file.write_text(text)
    return load(file, {})


def test_a_mistake_within_the_breaker_has_its_path(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read("[routing.breaker]\nfailures = 0\nopen_time = 3\n", tmp_path)

    assert [mistake.path for mistake in caught.value.mistakes] == [
        "routing.breaker.failures",
        "routing.breaker.open_time",
    ]


@pytest.mark.parametrize("written", ["false", "{ failures = 7 }"])
def test_the_breaker_can_be_turned_off(tmp_path: Path, written: str) -> None:
    breaker = read(f"[routing]\nbreaker = {written}\n", tmp_path).routing.breaker

    assert breaker is False if written == "false" else breaker == BreakerSettings(failures=7)


def test_a_breaker_that_is_true_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read("[routing]\nbreaker = true\n", tmp_path)

    assert caught.value.mistakes[0].path == "routing.breaker"


def test_a_mistake_within_a_limit_that_is_found_by_trial_has_its_path(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read('[admission.targets."echo/echo"]\nconcurrency = { min = 0, max = 2 }\n', tmp_path)

    assert [mistake.path for mistake in caught.value.mistakes] == ["admission.targets.echo/echo.concurrency.min"]
