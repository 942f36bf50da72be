"""The kinds of text in the settings: names, ids, hashes, URLs. Their mistakes say in words what is expected."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from dragoman_service.settings.reading.sources import NAME


def matches(pattern: str, expected: str) -> AfterValidator:
    """A validator whose message says in words what is expected."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"should be {expected}")
        return text

    return AfterValidator(check)


Name = Annotated[
    str,
    matches(NAME, "1 to 63 lower-case letters, digits, '_' and '-', starting with a letter"),
]
CALLER_ID = "1 to 63 letters, digits, '.', '_', '@' and '-', starting with a letter or digit"


def _is_not_anonymous(caller: str) -> str:
    if caller.lower() == "anonymous":
        raise ValueError("should not be 'anonymous', which stands for callers without a key")
    return caller


CallerId = Annotated[str, matches(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}", CALLER_ID), AfterValidator(_is_not_anonymous)]
CallerPattern = Annotated[
    str,
    matches(r"[A-Za-z0-9._@*-]{1,63}", "the id of an API key, or a pattern in which * matches any characters"),
]
Sha256 = Annotated[
    str,
    StringConstraints(to_lower=True),
    matches(r"[0-9a-f]{64}", "a SHA-256 in hexadecimal, as `dragoman keys create` writes it"),
]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=256)]
MODEL_TARGET = r"(?s)[a-z][a-z0-9_-]{0,62}/.+"
ModelTarget = Annotated[str, matches(MODEL_TARGET, "PROVIDER/MODEL, as in 'echo/echo'")]
StoreUrl = Annotated[
    str,
    matches(
        r"(?s)(sqlite:///.|postgres(ql)?://.|(?!sqlite:|postgres(ql)?:)[a-z][a-z0-9+.-]*:).*",
        "the URL of a store, as in sqlite:///FILE or postgresql://USER:PASSWORD@HOST:5432/DATABASE",
    ),
]
DirectUrl = Annotated[
    str,
    matches(
        r"(?s)(|postgres(ql)?://..*)",
        "the URL of the same database without a pooler, as in postgresql://USER:PASSWORD@HOST:5432/DATABASE",
    ),
]
Origin = Annotated[str, matches(r"\*|[a-z][a-z0-9+.-]*://[^\s/]+", "an origin such as 'https://app.example', or '*'")]
