"""Which filters a completion passes: those for all models, then those of the name asked for, then the provider's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import Complete, Filter

_HONOURABLE = "safety_settings"


def honoured_by(wrap: Filter) -> frozenset[str]:
    """The request fields that a filter honours in place of the provider, in its attribute `honours`.

    They are named as in `Model.supported_fields`: `safety_settings`, or `safety_settings.CATEGORY`.
    """
    named = getattr(wrap, "honours", ())
    paths = named if isinstance(named, (tuple, list, frozenset, set)) else ()
    return frozenset(path for path in paths if isinstance(path, str) and path.partition(".")[0] == _HONOURABLE)


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a service, each sequence from the outside in."""

    everywhere: Sequence[Filter] = ()
    models: Mapping[str, Sequence[Filter]] = field(default_factory=dict)
    """By the name or pattern in the settings through which a caller reached the model."""
    providers: Mapping[str, Sequence[Filter]] = field(default_factory=dict)
    """By the configured name of the provider."""

    @classmethod
    def placed(
        cls,
        made: Mapping[str, Filter],
        models: Mapping[str, Sequence[str]],
        providers: Mapping[str, Sequence[str]],
    ) -> Filters:
        """A filter that `models` or `providers` name applies there only, and any other one in `made` everywhere."""
        scoped = {name for names in (*models.values(), *providers.values()) for name in names}
        return cls(
            [wrap for name, wrap in made.items() if name not in scoped],
            {model: [made[name] for name in names] for model, names in models.items()},
            {provider: [made[name] for name in names] for provider, names in providers.items()},
        )

    def honours(self, provider: str, alias: str = "") -> frozenset[str]:
        """The request fields that the filters of a model honour."""
        return frozenset().union(*map(honoured_by, (*self.everywhere, *self._scoped(provider, alias))))

    def honours_for(self, target: Target) -> frozenset[str]:
        """The request fields that the filters of a target honour."""
        return self.honours(target.model.provider, alias_of(target))

    def _scoped(self, provider: str, alias: str) -> Sequence[Filter]:
        named = self.models.get(alias, ())
        return (*named, *(wrap for wrap in self.providers.get(provider, ()) if wrap not in named))

    def around_models(self, complete: Complete) -> Mapping[str, Complete]:
        """`complete` within the filters of each name in the settings, wrapped once: a filter may keep what its calls
        share."""
        return {name: wrapped(complete, filters) for name, filters in self.models.items()}

    def around_providers(self, complete: Complete) -> Mapping[tuple[str, str], Complete]:
        """`complete` within the filters of each provider, by the provider and by the name that led to it, if that name
        has filters: those are not applied twice."""
        return {
            (provider, alias): wrapped(complete, [wrap for wrap in own if wrap not in self.models.get(alias, ())])
            for provider, own in self.providers.items()
            for alias in ("", *self.models)
        }

    def place(self, target: Target) -> tuple[str, str]:
        """The key of a target in `around_providers`."""
        alias = alias_of(target)
        return target.model.provider, alias if alias in self.models else ""


def wrapped(complete: Complete, filters: Iterable[Filter]) -> Complete:
    """`complete` within the filters, of which the first is outermost."""
    for wrap in reversed(tuple(filters)):
        complete = wrap(complete)
    return complete


def alias_of(target: Target) -> str:
    """The name in the settings that led to the target; empty if none did."""
    return target.alias.name if target.alias else ""
