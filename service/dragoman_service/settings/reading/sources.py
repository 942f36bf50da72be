"""Reads settings from a TOML file, environment variables, and files that hold secrets."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from dragoman_service.settings.errors import Mistake, SettingsError, is_presentable
from dragoman_service.settings.reading.text import decode_text, trim
from dragoman_service.settings.types import ResolvedSecret

PREFIX = "DRAGOMAN_"
LEVEL = "__"
NAME = r"[a-z][a-z0-9_-]{0,62}"
"""The pattern of the names of providers and filters."""
_QUOTED = re.compile(r"'.*'|\(\(?'.*'\)|\".*\"", re.DOTALL)

Tree = dict[str, Any]


def read_file(path: Path) -> Tree:
    """The tree in a TOML file. Raises SettingsError if it cannot be read, with the line if it is not valid TOML."""
    try:
        return tomllib.loads(decode_text(path.read_bytes()))
    except UnicodeDecodeError:
        raise SettingsError([Mistake(str(path), "is not valid UTF-8")]) from None
    except (ValueError, RecursionError) as error:
        raise SettingsError([Mistake(str(path), f"is not valid TOML: {_why_invalid(error)}")]) from None
    except OSError as error:
        raise SettingsError([Mistake(str(path), f"cannot be read: {error.strerror}")]) from None


def _why_invalid(error: Exception) -> str:
    """A message of tomllib without what it quotes, which may be a part of a secret."""
    if isinstance(error, tomllib.TOMLDecodeError):
        return _QUOTED.sub("…", str(error))
    return "it is nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"


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
        value: Any = _value(trim(environ[name]))
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
        return _from_file(base, name, path, mistakes)
    return {key: resolve_secrets(value, environ, base, (*path, key), mistakes) for key, value in tree.items()}


def _from_environment(name: str, environ: Mapping[str, str], path: tuple[str, ...], mistakes: list[Mistake]) -> str:
    value = trim(environ.get(name, ""))
    if not value:
        mistakes.append(Mistake(_shown(path), "the environment variable that `env` names is not set, or empty"))
    return ResolvedSecret(value)


def _from_file(base: Path, name: str, path: tuple[str, ...], mistakes: list[Mistake]) -> str:
    try:
        return ResolvedSecret(trim(decode_text((base / Path(name).expanduser()).read_bytes())))
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is not valid UTF-8"
    except (ValueError, RuntimeError):  # a NUL character; "~" of a user without a home directory
        reason = "its name is not a path"
    mistakes.append(Mistake(_shown(path), f"the file that `file` names cannot be read: {reason}"))
    return ResolvedSecret("")


def _shown(path: tuple[str, ...]) -> str:
    """A path in a message: up to the first key that may be a secret in the wrong place."""
    rest = takewhile(lambda step: step.isdecimal() or is_presentable(step), path[2:])
    name = (step for step in path[1:2] if re.fullmatch(NAME, step))
    return ".".join((path[0], *name, *rest))


def _value(text: str) -> Any:
    if text[:1] in "[{" and text:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            return text
    return text
