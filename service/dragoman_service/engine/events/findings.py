"""Findings of filters and providers about one completion, collected from its events."""

from __future__ import annotations

from dataclasses import dataclass, field

from dragoman import v1


def with_source(event: v1.CompletionEvent, source: str) -> v1.CompletionEvent:
    """The event with findings, or a copy in which `source` reports the ratings that name no source."""
    if all(rating.source for rating in event.safety.assessment.ratings):
        return event
    named = v1.CompletionEvent()
    named.CopyFrom(event)
    for rating in named.safety.assessment.ratings:
        rating.source = rating.source or source
    return named


@dataclass(slots=True)
class Findings:
    """The assessments of the prompt and of each choice, and the citations of each choice."""

    prompt: v1.SafetyAssessment | None = None
    choices: dict[int, v1.SafetyAssessment] = field(default_factory=dict)
    citations: dict[int, list[v1.Citation]] = field(default_factory=dict)

    def add_safety(self, report: v1.SafetyReport) -> None:
        """Adds a report to those before it."""
        if report.HasField("choice_index"):
            merge(self.choices.setdefault(report.choice_index, v1.SafetyAssessment()), report.assessment)
            return
        self.prompt = self.prompt or v1.SafetyAssessment()
        merge(self.prompt, report.assessment)

    def add_citations(self, report: v1.CitationReport) -> None:
        """Adds the sources that a choice quotes."""
        self.citations.setdefault(report.choice_index, []).extend(report.citations)

    def write(self, completion: v1.Completion) -> None:
        """Writes everything into the completion and its choices."""
        if self.prompt is not None:
            completion.prompt_safety.CopyFrom(self.prompt)
        for choice in completion.choices:
            if choice.index in self.choices:
                choice.safety.CopyFrom(self.choices[choice.index])
            choice.citations.extend(self.citations.get(choice.index, ()))


def merge(assessment: v1.SafetyAssessment, later: v1.SafetyAssessment) -> None:
    """Adds `later` to `assessment`: a rating replaces the one of the same source and category, a block stays."""
    assessment.blocked |= later.blocked
    assessment.message = later.message or assessment.message
    assessment.codes.extend(code for code in later.codes if code not in assessment.codes)
    places = {(rating.source, rating.category): rating for rating in assessment.ratings}
    for rating in later.ratings:
        known = places.get((rating.source, rating.category))
        if known is None:
            places[rating.source, rating.category] = known = assessment.ratings.add()
        known.CopyFrom(rating)
