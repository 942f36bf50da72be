"""The table of the filter `patterns`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from dragoman_service.filters.safety.folding.folding import Folding
from dragoman_service.filters.safety.matching.expressions import UNBOUNDED, ExpressionError
from dragoman_service.filters.safety.matching.finders import Finder, pattern, words
from dragoman_service.filters.safety.thresholds import Threshold
from dragoman_service.settings.types import ConfigPath, Section

Level = Literal["low", "medium", "high"]
CategoryName = Annotated[str, Field(pattern=r"^[a-z0-9_./-]{1,64}$")]
MAX_FILE = 16 * 1024**2  # bytes


class CategorySettings(Section):
    """What belongs to a category, and what happens to it."""

    words: tuple[str, ...] = ()
    words_file: ConfigPath | None = None
    """A text file with an entry a line; empty lines and lines that begin with # are left out."""
    patterns: tuple[str, ...] = ()
    severity: Level = "high"
    action: Literal["block", "redact", "annotate"] = "block"
    on: Literal["prompt", "answer", "both"] = "both"
    replacement: str = "***"
    block_at: Threshold | None = None
    """The lowest severity that is blocked (default: `low` if the action is `block`, otherwise `none`)."""
    max_block_at: Threshold | None = None
    """The most lenient threshold that a request may ask for (default: `block_at`)."""

    @field_validator("words_file")
    @classmethod
    def _is_readable(cls, path: Any) -> Any:
        try:
            if path is not None and path.stat().st_size > MAX_FILE:
                raise ValueError(f"should have at most {MAX_FILE} bytes")
            if path is not None:
                path.read_text(encoding="utf-8")
        except OSError as error:
            raise ValueError(f"the file cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError("the file should be UTF-8 text") from None
        return path

    @property
    def entries(self) -> list[str]:
        """The words of the list and of the file."""
        lines = self.words_file.read_text(encoding="utf-8").splitlines() if self.words_file else []
        return [*self.words, *(line.strip() for line in lines if line.strip() and not line.startswith("#"))]


class PatternsSettings(Section):
    """`[filters.NAME]` with `plugin = "patterns"`."""

    categories: Annotated[dict[CategoryName, CategorySettings], Field(min_length=1)]
    window: Annotated[int, Field(ge=16, le=4096)] = 256
    """Folded characters of the longest match, by which an answer may be held back."""

    @model_validator(mode="after")
    def _is_sound(self) -> PatternsSettings:
        folding = Folding()
        for number, (name, category) in enumerate(self.categories.items()):
            try:
                finders_of(number, category, folding, self.window)
            except ExpressionError as error:
                raise ValueError(f"categories.{name}.{error}") from None
        return self


def finders_of(number: int, category: CategorySettings, folding: Folding, window: int) -> list[Finder]:
    """The finders of a category. Raises ExpressionError with the path of what cannot be used."""
    entries, found = category.entries, []
    if not entries and not category.patterns:
        raise ExpressionError("words: is required, or words_file, or patterns")
    if entries:
        found.append(_made("words", lambda: words(number, entries, folding), window))
    for index, source in enumerate(category.patterns):
        made = _made(f"patterns.{index}", lambda source=source: pattern(number, source, folding), window)
        found.append(made)
    return found


def _made(path: str, make: Any, window: int) -> Finder:
    try:
        finder: Finder = make()
    except ExpressionError as error:
        raise ExpressionError(f"{path}: {error}") from None
    if finder.most >= UNBOUNDED:
        raise ExpressionError(
            f"{path}: has no longest match, so that text would be held back for ever: bound each repetition, as in "
            "{0,40} in place of *"
        )
    if finder.most > window:
        raise ExpressionError(
            f"{path}: matches up to {finder.most} characters, more than window ({window}): bound its repetitions more "
            "tightly, as in {0,40}, or raise window, by which answers are held back"
        )
    return finder
