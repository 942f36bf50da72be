"""Folds text, character by character, so that the result does not depend on where the text is cut."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from dragoman_service.filters.safety.folding.lookalikes import EVERYDAY, LOOKALIKES

_INVISIBLE = frozenset("\u034f\u0640\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800")  # not format characters by category
_OWN_LETTERS = (0, 7, 8, 9)  # combining classes of marks that make another letter, as Indic vowel signs do
_LINES = "\n\r\t"


class _Plain(dict[int, str]):
    """Code points to their folded text, filled on demand."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold(chr(code))
        return folded


class _Latin(_Plain):
    """The same, with small Latin letters for those that look like them."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = LOOKALIKES.get(character) or "".join(LOOKALIKES.get(one, one) for one in _fold(character))
        self[code] = folded
        return folded


class _Sizes(dict[int, str]):
    """Code points to the character whose number is the length of their folded text."""

    def __init__(self, plain: _Plain) -> None:
        super().__init__()
        self._plain = plain

    def __missing__(self, code: int) -> str:
        size = self[code] = chr(len(self._plain[code]))
        return size


class Folding:
    """Two foldings of a text, equally long: `plain`, and `latin`, in which look-alikes are Latin letters.

    Both decompose (NFKD), fold the case, and leave out accents and what cannot be seen.
    """

    def __init__(self) -> None:
        self._plain, self._latin = _Plain(), _Latin()
        self._sizes = _Sizes(self._plain)

    def plain(self, text: str) -> str:
        return text.translate(self._plain)

    def latin(self, text: str) -> str:
        return text.translate(self._latin)

    def origins(self, text: str, first: int = 0) -> Iterable[int]:
        """For each folded character the index, counted from `first`, of the character that it comes from."""
        sizes = text.translate(self._sizes)
        if sizes.count("\x01") == len(text):
            return range(first, first + len(text))
        return [index for index, size in enumerate(sizes, first) for _ in range(ord(size))]


def mixes_scripts(text: str, plain: str) -> bool:
    """Whether `text`, which only looks like Latin text, is a disguise: some of it is not of an everyday script."""
    if any(one.isascii() and one.isalnum() for one in plain):
        return True
    return any(one in LOOKALIKES and one.lower() not in EVERYDAY for one in text)


def _fold(character: str) -> str:
    if unicodedata.category(character) == "Cs":  # half a character, which only JSON can hold
        return "\ufffd"
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(" " if one.isspace() and one not in _LINES else one for one in folded if not _unseen(one))


def _unseen(character: str) -> bool:
    if character in _INVISIBLE or "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef":
        return True
    category = unicodedata.category(character)
    if category == "Mn":
        return unicodedata.combining(character) not in _OWN_LETTERS
    return category in ("Cf", "Me") or (category == "Cc" and not character.isspace())
