"""Mistakes in the settings: each has the path of its key and says what is allowed there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel, ValidationError

_MESSAGES = {
    "missing": "is required",
    "model_type": "should be a table",
    "dict_type": "should be a table",
    "path_type": "should be a path",
    "int_parsing": "should be a whole number",
    "int_parsing_size": "should be a smaller number",
    "int_from_float": "should be a whole number",
    "float_parsing": "should be a number",
}
_SUBJECT = re.compile(r"^(Value error, |[A-Z][a-z]+ (?=should ))")  # of pydantic's messages; ours is the path
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}")
_PATH = re.compile(r"[\w./-]+")
_NAMED = {  # tables whose keys are names
    ("providers",),
    ("filters",),
    ("models",),
    ("prices",),
    ("operations", "model_concurrency"),
    ("admission", "targets"),
    ("limits", "keys"),
    ("limits", "teams"),
}
_PATTERNS = re.compile(r"limits\.(service|(keys|teams)\..+)\.models")  # tables whose keys are patterns of models
_MARKS = ("[key]", "[table]", "[value]")  # in pydantic's paths: what is wrong, not where
_LONGEST_KEY = 100  # characters of a key that is shown
_PHRASES = (("greater than or equal to", "at least"), ("less than or equal to", "at most"))


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake: the path of a key, such as `server.grpc` (empty: all settings), and a message: what is allowed."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class SettingsError(Exception):
    """Raised with all mistakes in the settings at once."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


def mistakes_of(
    error: ValidationError,
    model: object,
    origins: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> list[Mistake]:
    """The mistakes in an error of pydantic. They quote no value, and no key that may be a secret in the wrong place.

    `model` is the class that was validated, `origins` names the environment variable of a path, if it has one, and
    `prefix` is where the model stands in the settings.
    """
    found = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        is_about_key = "[key]" in item["loc"]
        location = tuple(str(step) for step in item["loc"] if step not in _MARKS)
        shown = _presentable(model, location, is_about_key=is_about_key, are_keys_names=not prefix)
        path = ".".join((*prefix, *shown))
        message = _message(item["type"], item["msg"], model, location)
        if is_about_key:
            message = f"a name in it {message}"
        if item["type"] == "value_error" and not location:
            path, message = _split(prefix, message.strip())
        origin = (origins or {}).get(path) if shown == location else None
        found.append(Mistake(path, f"{message} (from {origin})" if origin else message))
    return found


def _split(prefix: Sequence[str], message: str) -> tuple[str, str]:
    """The path and message of a mistake that a whole table makes, and whose text names the key that is to blame."""
    key, colon, text = message.partition(": ")
    if prefix and colon and _PATH.fullmatch(key):
        return ".".join((*prefix, key)), text
    return ".".join(prefix), message


def is_presentable(key: str) -> bool:
    """Whether a key that nobody declared may be shown: it is a plain word, and no key of an API has been pasted."""
    return bool(_WORD.fullmatch(key))


def _presentable(
    model: object, location: tuple[str, ...], *, is_about_key: bool, are_keys_names: bool
) -> tuple[str, ...]:
    """`location` up to the first key that may be a secret.

    Declared keys, numbers and plain words are shown, and in our own tables the names of providers and models. Keys of
    a plugin's table are, for example, names of headers.
    """
    for depth, step in enumerate(location):
        is_wrong = is_about_key and depth == len(location) - 1
        is_name = are_keys_names and _has_names(location[:depth]) and not is_wrong and step.isprintable()
        is_known = step.isdecimal() or step in _fields(model, location[:depth])
        if len(step) > _LONGEST_KEY or not (is_known or is_name or is_presentable(step)):
            return location[:depth]
    return location


def _has_names(table: tuple[str, ...]) -> bool:
    """Whether the keys of a table of ours are names."""
    return table in _NAMED or bool(_PATTERNS.fullmatch(".".join(table)))


def _message(kind: str, text: str, model: object, location: tuple[str, ...]) -> str:
    if kind == "extra_forbidden":
        return _unknown_key(location[-1], _fields(model, location[:-1]))
    text = _SUBJECT.sub("", text).partition(" after validation")[0]
    for theirs, ours in _PHRASES:
        text = text.replace(theirs, ours)
    return _MESSAGES.get(kind, text[:1].lower() + text[1:])


def _unknown_key(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, 1, 0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return f"unknown key; {hint}"


def _fields(model: object, location: tuple[str, ...]) -> list[str]:
    """The names of the keys at `location`, found by walking the annotations of the models."""
    for step in location:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(step)
            model = _model_in(field.annotation if field else _of_extras(model))
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _of_extras(model: type[BaseModel]) -> Any:
    """The annotation of keys that the model does not declare. Itself if it has none."""
    if model.model_config.get("extra") != "allow":
        return model
    return get_type_hints(model, include_extras=True)["__pydantic_extra__"]


def _model_in(annotation: Any) -> object:
    """The model class in an annotation such as `X | None` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and not getattr(annotation, "__args__", None):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        inner = _model_in(argument)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return inner
    return annotation
