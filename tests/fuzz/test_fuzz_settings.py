"""Settings of any kind, in a file and in the environment: they are read, or refused with the place of each mistake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from random import Random
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from dragoman_service.plugins.tables import annotation, read_table
from dragoman_service.settings.errors import mistakes_of
from dragoman_service.settings.settings import Mistake, Settings, SettingsError, load
from dragoman_service.settings.types import Section
from pydantic import ValidationError
from values import TEXTS, cases, mutated_bytes

WORDS = (
    "20s",
    "8MiB",
    "127.0.0.1:0",
    ":0",
    "[::]:80",
    "~/x",
    "sqlite:///x.db",
    "memory:",
    "postgresql://u:p@h/d",
    "echo/*",
)
WORDS += ("9e999h", "http://h/v1", "openai", "0" * 64, "m", "warn", "\ufeff1s", "1979-05-27T07:32:00Z", "٣s")
BARE = (
    "0",
    "1",
    "-1",
    "7",
    "inf",
    "-inf",
    "nan",
    "1e300",
    "9" * 400,
    "0x10",
    "true",
    "false",
    "1979-05-27",
    "07:32:00",
)
BARE += (
    "[]",
    "{}",
    "[[1], 2]",
    '{env = "NO"}',
    '{env = "\\u0000"}',
    '{file = "\\u0000"}',
    '{file = "."}',
    "{a = {b = [{}]}}",
)
OPENERS = {entry.name: entry.load() for entry in entry_points(group="dragoman.providers")}
LONGEST = 20_000  # characters that all mistakes of one file may take


def keys(section: type[Section], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each key of a table, `name` where any name may stand."""
    for name, field in section.model_fields.items():
        inner = [kind for kind in kinds(field.annotation) if isinstance(kind, type) and issubclass(kind, Section)]
        named = get_origin(field.annotation) is dict
        for kind in inner:
            yield from keys(kind, (*path, name, "name") if named else (*path, name))
        yield (*path, name, "name") if named and not inner else (*path, name)


def kinds(annotation: Any) -> Iterator[Any]:
    """The types that a type hint names."""
    if get_origin(annotation) in (Union, UnionType, Annotated, tuple, list, dict):
        for argument in get_args(annotation):
            yield from kinds(argument)
    else:
        yield annotation


def literal(chance: Random) -> str:
    """A value of TOML, sound or not."""
    word = json.dumps(chance.choice((*WORDS, *TEXTS)))
    return chance.choice((word, chance.choice(BARE), f"[{word}]", f"[{{id = {word}, models = [{word}]}}]"))


def document(chance: Random, paths: list[tuple[str, ...]]) -> bytes:
    """A settings file with a few keys, some of them damaged."""
    lines = []
    for path in chance.sample(paths, chance.choice((1, 1, 2, 4))):
        steps = [chance.choice((step, json.dumps(chance.choice(TEXTS)))) if step == "name" else step for step in path]
        lines.append(f"{'.'.join(steps)} = {literal(chance)}")
    raw = "\n".join(lines).encode()
    return mutated_bytes(chance, raw) if chance.random() < 0.2 else raw


def refused(file: Path, environ: dict[str, str]) -> str:
    """The mistakes that were found, as the operator reads them."""
    mistakes: list[Mistake] = []
    try:
        settings = load(file, environ)
    except SettingsError as error:
        return str(error)
    for name, table in settings.providers.items():
        if name in OPENERS:
            try:
                read_table(OPENERS[name], table, {"base": settings.base, "warnings": []})
            except ValidationError as error:
                mistakes += mistakes_of(error, annotation(OPENERS[name]), prefix=("providers", name))
    return "\n".join(map(str, mistakes))


def test_no_settings_are_answered_with_a_traceback(tmp_path: Path) -> None:
    plugins = [("providers", name, *path) for name, opener in OPENERS.items() for path in keys(annotation(opener))]
    paths, file = [*keys(Settings), *plugins], tmp_path / "dragoman.toml"
    outcomes = []
    for chance in cases("settings", 800):
        file.write_bytes(document(chance, paths))
        variable = "DRAGOMAN_" + "__".join(chance.choice(paths)).upper()
        environ = {variable: chance.choice((literal(chance), chance.choice(TEXTS)))} if chance.random() < 0.3 else {}
        outcomes.append(refused(file, environ))

        assert len(outcomes[-1]) < LONGEST, file.read_bytes()
        assert outcomes[-1].replace("\n", "").isprintable(), (repr(outcomes[-1]), file.read_bytes())
    assert {("server", "grpc"), ("access", "keys"), ("providers", "openai", "idle_timeout")} < set(paths)
    assert 0 < outcomes.count("") < len(outcomes) / 2
