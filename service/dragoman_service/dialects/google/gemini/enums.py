"""The enums of the two APIs that serve Gemini, by name. Some clients send their numbers, which the APIs count apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Api(Enum):
    """Which of the two APIs an object belongs to."""

    GEMINI = "google.ai.generativelanguage"
    VERTEX = "google.cloud.aiplatform"


@dataclass(frozen=True, slots=True)
class WireEnum:
    """One enum: its name for zero, and the names of the other numbers in each API."""

    zero: str
    gemini: Mapping[int, str]
    vertex: Mapping[int, str]

    def name(self, value: object, api: Api) -> str | None:
        """The name that `value` stands for: itself in upper case, or that of its number. None if it is neither."""
        if isinstance(value, str) and not value.isdecimal():
            return value.upper()
        if isinstance(value, bool) or not isinstance(value, int | str):
            return None
        return self.zero if int(value) == 0 else self._numbers(api).get(int(value))

    def names(self, api: Api) -> frozenset[str]:
        """All names but that for zero."""
        return frozenset(self._numbers(api).values())

    def _numbers(self, api: Api) -> Mapping[int, str]:
        return self.gemini if api is Api.GEMINI else self.vertex


def _counted(first: int, *names: str) -> dict[int, str]:
    return dict(enumerate(names, first))


_THRESHOLDS = _counted(1, "BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF")
_CALLING = _counted(1, "AUTO", "ANY", "NONE")
_TYPES = _counted(1, "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")
_MODALITIES = _counted(1, "TEXT", "IMAGE", "AUDIO")
HARM = "HARM_CATEGORY_"

CATEGORY = WireEnum(
    HARM + "UNSPECIFIED",
    {
        number: HARM + name
        for number, name in (
            *_counted(1, "DEROGATORY", "TOXICITY", "VIOLENCE", "SEXUAL", "MEDICAL", "DANGEROUS").items(),
            *_counted(7, "HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT").items(),
            (11, "CIVIC_INTEGRITY"),
        )
    },
    {
        number: HARM + name
        for number, name in _counted(
            1, "HATE_SPEECH", "DANGEROUS_CONTENT", "HARASSMENT", "SEXUALLY_EXPLICIT", "CIVIC_INTEGRITY"
        ).items()
    },
)
THRESHOLD = WireEnum("HARM_BLOCK_THRESHOLD_UNSPECIFIED", _THRESHOLDS, _THRESHOLDS)
CALLING_MODE = WireEnum("MODE_UNSPECIFIED", _CALLING | {4: "VALIDATED"}, _CALLING | {5: "VALIDATED"})
TYPE = WireEnum("TYPE_UNSPECIFIED", _TYPES, _TYPES)
MODALITY = WireEnum("MODALITY_UNSPECIFIED", _MODALITIES, _MODALITIES)
THINKING_LEVEL = WireEnum("THINKING_LEVEL_UNSPECIFIED", {}, _counted(1, "LOW", "MEDIUM", "HIGH", "MINIMAL"))
