"""Numbers and durations: infinite, enormous and other kinds are mistakes at the start, each with its path."""

from __future__ import annotations

from pathlib import Path

import pytest
from dragoman_service.plugins.plugins import prepare
from dragoman_service.settings.settings import Settings, SettingsError, load
from dragoman_service.settings.types import Section
from pydantic import BaseModel

DIGITS = "9" * 400
HOSTILE = [
    "inf",
    "-inf",
    "nan",
    "1e300",
    "-1",
    "true",
    "false",
    DIGITS,
    f'"{DIGITS}"',
    f'"{DIGITS}h"',
    f'"{DIGITS}GiB"',
    '"inf"',
    '"1e300"',
    "[]",
    "{}",
    "1979-05-27",
]


def numbers(section: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Each table and key of the settings that holds a number."""
    found = []
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found += numbers(field.annotation, (*path, name))
        elif field.annotation in (int, float):
            found.append((".".join(path), name))
    return found


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(("table", "key"), [*numbers(), ("operations.model_concurrency", "m")])
def test_a_number_that_no_setting_can_have_is_a_mistake(tmp_path: Path, table: str, key: str, value: str) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text(f"[{table}]\n{key} = {value}\n")
    with pytest.raises(SettingsError) as caught:
        load(file, {})

    assert caught.value.mistakes[0].path in {f"{table}.{key}", table}
    assert DIGITS not in str(caught.value)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("plugin", "key"),
    [
        ("anthropic", "max_output_tokens"),
        ("openai", "connect_timeout"),
        ("openai", "idle_timeout"),
        ("vertex", "idle_timeout"),
        ("yandex", "attempts"),
        ("yandex", "first_token_timeout"),
        ("local", "threads"),
        ("local", "slots"),
        ("local", "context_tokens"),
        ("echo", "delay"),
        ("echo", "first_delay"),
    ],
)
def test_it_is_a_mistake_in_the_table_of_a_plugin_too(tmp_path: Path, plugin: str, key: str, value: str) -> None:
    file = tmp_path / "dragoman.toml"
    required = {
        "openai": 'base_url = "http://h/v1"',
        "vertex": 'base_url = "http://h/v1"\nproject = "p"\nmodels = ["m"]',
        "yandex": 'folder_id = "f"\nmodels = ["m"]',
    }.get(plugin, "")
    file.write_text(f'[providers.p]\nplugin = "{plugin}"\n{required}\n{key} = {value}\n')
    with pytest.raises(SettingsError) as caught:
        prepare(load(file, {}), [])

    assert [mistake.path for mistake in caught.value.mistakes] == [f"providers.p.{key}"]


@pytest.mark.parametrize("text", ["a = " + "9" * 5000, "a = " + "[" * 100_000, "a = 0x" + "f" * 100_000])
def test_a_file_that_is_too_much_for_the_parser_is_a_mistake(tmp_path: Path, text: str) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(file, {})

    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DRAGOMAN_SERVER__WORKERS", "9" * 5000),
        ("DRAGOMAN_SERVER__CORS_ORIGINS", "[" * 100_000),
        ("DRAGOMAN_SERVER__CORS_ORIGINS", "[" + "9" * 5000 + "]"),
        ("DRAGOMAN_SERVER__GRPC", "127.0.0.1:" + "9" * 5000),
        ("DRAGOMAN_SERVER" + "__A" * 5000, "1"),
    ],
)
def test_a_variable_that_is_too_much_for_the_parser_is_a_mistake(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(None, {name: value})

    assert len(str(caught.value)) < 500


def test_the_greatest_numbers_are_accepted(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text('[operations]\nttl = "3650d"\n[server]\nmax_request_size = "512MiB"\nworkers = 64\n')

    assert load(file).operations.ttl == 3650 * 86400
