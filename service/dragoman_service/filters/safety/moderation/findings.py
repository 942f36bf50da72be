"""Verdicts as findings: names, levels, and what is blocked within the settings and the request's own."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import v1

from dragoman_service.filters.safety.moderation.endpoint import Finding, Verdict
from dragoman_service.filters.safety.moderation.settings import ModerationSettings
from dragoman_service.filters.safety.thresholds import THRESHOLDS, reaches

_LEVELS = (  # from a score on
    (0.8, v1.SAFETY_LEVEL_HIGH),
    (0.5, v1.SAFETY_LEVEL_MEDIUM),
    (0.2, v1.SAFETY_LEVEL_LOW),
    (0.0, v1.SAFETY_LEVEL_NEGLIGIBLE),
)
KNOWN = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm"),
    *("self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic"),
)
"""Categories that such endpoints have."""


def categories_of(settings: ModerationSettings) -> set[str]:
    """The categories that requests may name, as findings call them."""
    return {_name(settings, category) for category in (*KNOWN, *settings.thresholds, *settings.names)}


def _name(settings: ModerationSettings, category: str) -> str:
    return settings.names.get(category, category.lower()[:64])


class Thresholds:
    """Which findings block, for one request."""

    def __init__(self, settings: ModerationSettings, request: v1.CompletionRequest, source: str) -> None:
        self._settings, self._source = settings, source
        self._asked: dict[str, v1.SafetyThreshold.ValueType] = {}
        self.warnings: list[v1.Warning] = []
        most = THRESHOLDS[settings.max_block_at] if settings.max_block_at else v1.SAFETY_THRESHOLD_LOW
        own = categories_of(settings)
        for setting in request.safety_settings:
            self._asked[setting.category] = min(setting.block_at, most) if settings.max_block_at else setting.block_at
            if setting.block_at > most and setting.category in own:
                self.warnings.append(self._limited(setting.category))

    def name(self, category: str) -> str:
        """The name of an endpoint's category in findings."""
        return _name(self._settings, category)

    def blocks(self, category: str, finding: Finding) -> bool:
        asked = self._asked.get(self.name(category))
        wanted = reaches(level_of(finding), asked)
        if asked is not None and self._settings.max_block_at:
            return wanted
        return wanted or self._blocks_by_default(category, finding)

    def _blocks_by_default(self, category: str, finding: Finding) -> bool:
        threshold = self._settings.thresholds.get(category)
        if threshold is None or finding.score is None:
            return self._settings.flagged and finding.flagged
        return finding.score >= threshold

    def _limited(self, category: str) -> v1.Warning:
        most = self._settings.max_block_at
        how = f"lets requests raise the threshold of {category} to {most} at most; that is used" if most else ""
        message = f"The filter {self._source} {how or f'does not let requests raise the threshold of {category}'}."
        return v1.Warning(field="safety_settings", reason="UNSUPPORTED_FIELD", message=message)


class Findings:
    """What was found in a prompt or a choice so far: the worst of each category."""

    def __init__(self, thresholds: Thresholds, source: str) -> None:
        self._thresholds, self._source = thresholds, source
        self._ratings: dict[str, v1.SafetyRating] = {}

    def add(self, verdicts: Sequence[Verdict]) -> bool:
        """Takes verdicts, and says whether they block."""
        blocked = False
        for verdict in verdicts:
            for category, finding in verdict.items():
                blocks = self._thresholds.blocks(category, finding)
                blocked = blocked or blocks
                self._rate(self._thresholds.name(category), finding, blocked=blocks)
        return blocked

    def assessment(self) -> v1.SafetyAssessment | None:
        """The findings that are worth mentioning; None if there are none."""
        ratings = [r for r in self._ratings.values() if r.blocked or r.level > v1.SAFETY_LEVEL_NEGLIGIBLE]
        if not ratings:
            return None
        blocking = [rating.category for rating in ratings if rating.blocked]
        message = f"The filter {self._source} blocked it: {', '.join(blocking)}." if blocking else ""
        return v1.SafetyAssessment(blocked=bool(blocking), ratings=ratings, message=message)

    def _rate(self, category: str, finding: Finding, *, blocked: bool) -> None:
        rating = v1.SafetyRating(category=category, level=level_of(finding), blocked=blocked, source=self._source)
        if finding.score is not None:
            rating.score = finding.score
        before = self._ratings.get(category)
        if before is None or (rating.blocked, rating.score, rating.level) > (
            before.blocked,
            before.score,
            before.level,
        ):
            self._ratings[category] = rating


def level_of(finding: Finding) -> v1.SafetyLevel.ValueType:
    """The level of a finding. A flag without a score is a high one."""
    if finding.score is None:
        return v1.SAFETY_LEVEL_HIGH if finding.flagged else v1.SAFETY_LEVEL_NEGLIGIBLE
    return next(level for least, level in _LEVELS if finding.score >= least)
