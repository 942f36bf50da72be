"""A request while it is decoded, and what becomes of the keys that no field stands for."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from dragoman import v1

from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.openai.server.fields import PARAM, json_text, unknown
from dragoman_service.errors import CompletionError

_HINTS = frozenset({"cache_control", "prompt_cache_key", "prompt_cache_retention"})
"""Keys that no answer depends on."""
_LONGEST_KEY = 128  # characters
_MOST_KEYS = 64  # in one place, as validation has it
_MOST_WARNINGS = 100  # more say nothing new


@dataclass(slots=True)
class OpenAIRequest(DecodedRequest):
    """A request of this dialect."""

    reject: bool = False
    """What cannot be honoured is refused, otherwise it is left out with a warning."""
    functions: bool = False
    """The caller sent `functions`, so that the answer has to hold a `function_call` in place of `tool_calls`."""

    def leave_out(self, error: CompletionError) -> None:
        """Warns of the parameter that `error` names. Raises the error if nothing may be left out."""
        if self.reject:
            raise error
        if len(self.warnings) < _MOST_WARNINGS:
            message = f"{error.message} It was left out."
            self.warnings.append(v1.Warning(field=error.metadata[PARAM], reason="UNSUPPORTED_FIELD", message=message))

    def given(self, values: Mapping[str, Any], known: frozenset[str], at: str) -> dict[str, Any]:
        """The known entries of `values` that are neither null nor an empty list. Others are left out."""
        found = {name: value for name, value in values.items() if value is not None and value != []}
        for name in [name for name in found if name not in known]:
            self.leave_out(unknown(f"{at}.{name}"))
            del found[name]
        return found

    def split(
        self, values: Mapping[str, Any], known: frozenset[str], extensions: MutableMapping[str, str], at: str
    ) -> dict[str, Any]:
        """Like `given`, but puts the unknown entries into `extensions`, because the upstream may know them."""
        found = {name: value for name, value in values.items() if value is not None and value != []}
        for name in [name for name in found if name not in known]:
            self.extend(extensions, name, found.pop(name), f"{at}.{name}")
        return found

    def extend(self, extensions: MutableMapping[str, str], name: str, value: Any, param: str) -> None:
        """Puts a key of the vendor into `extensions`. The engine leaves it out if the model does not support it."""
        if not 0 < len(name) <= _LONGEST_KEY or len(extensions) >= _MOST_KEYS:
            self.leave_out(unknown(param))
        elif not (self.reject and name in _HINTS):
            extensions[name] = json_text(value)
