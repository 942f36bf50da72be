"""Reads settings from a TOML file, environment variables, and files that hold secrets."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dragoman_service.settings.errors import Mistake, SettingsError
from dragoman_service.settings.types import ResolvedSecret

PREFIX = "DRAGOMAN_"
LEVEL = "__"

Tree = dict[str, Any]


def read_file(path: Path) -> Tree:
    """The tree in a TOML file. Raises SettingsError if it cannot be read, with the line if it is not valid TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([Mistake(str(path), f"is not valid TOML: {error}")]) from None
    except UnicodeDecodeError:
        raise SettingsError([Mistake(str(path), "is not valid UTF-8")]) from None
    except OSError as error:
        raise SettingsError([Mistake(str(path), f"cannot be read: {error.strerror}")]) from None


def read_environment(environ: Mapping[str, str]) -> tuple[Tree, dict[str, str]]:
    """The tree in variables such as `DRAGOMAN_SERVER__GRPC`, and a map from each path to its variable.

    Values are strings; a value that starts with `[` or `{` is read as TOML.
    """
    tree: Tree = {}
    origins = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or LEVEL not in name:
            continue
        path = name.removeprefix(PREFIX).lower().split(LEVEL)
        origins[".".join(path)] = name
        value: Any = _value(environ[name])
        for key in reversed(path):
            value = {key: value}
        tree = merge(tree, value)
    return tree, origins


def merge(below: Tree, above: Tree) -> Tree:
    """Both trees merged; where both have a value, that of `above` wins."""
    merged = dict(below)
    for key, value in above.items():
        lower = merged.get(key)
        merged[key] = merge(lower, value) if isinstance(lower, dict) and isinstance(value, dict) else value
    return merged


def resolve_secrets(
    tree: Any, environ: Mapping[str, str], base: Path, path: tuple[str, ...], mistakes: list[Mistake]
) -> Any:
    """The tree with each `{ env = "NAME" }` and `{ file = "PATH" }` replaced by its secret.

    Relative paths start at `base`. `path` is where the tree stands in the settings; secrets that are missing are
    appended to `mistakes`.
    """
    if isinstance(tree, list):
        return [resolve_secrets(t, environ, base, (*path, str(i)), mistakes) for i, t in enumerate(tree)]
    if not isinstance(tree, dict):
        return tree
    if len(tree) == 1 and isinstance(name := tree.get("env"), str):
        return _from_environment(name, environ, path, mistakes)
    if len(tree) == 1 and isinstance(name := tree.get("file"), str):
        return _from_file(base / Path(name).expanduser(), path, mistakes)
    return {key: resolve_secrets(value, environ, base, (*path, key), mistakes) for key, value in tree.items()}


def _from_environment(name: str, environ: Mapping[str, str], path: tuple[str, ...], mistakes: list[Mistake]) -> str:
    if not environ.get(name):
        mistakes.append(Mistake(".".join(path), f"the environment variable {name} is not set"))
    return ResolvedSecret(environ.get(name, ""))


def _from_file(file: Path, path: tuple[str, ...], mistakes: list[Mistake]) -> str:
    try:
        return ResolvedSecret(file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not valid UTF-8"
        mistakes.append(Mistake(".".join(path), f"{file} cannot be read: {reason}"))
        return ResolvedSecret("")


def _value(text: str) -> Any:
    if text[:1] in "[{" and text:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text
