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

    @property
    def is_scoped(self) -> bool:
        """Some filters do not apply everywhere."""
        return bool(self.models or self.providers)

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
        return self.honours(target.model.provider, _alias(target))

    def _scoped(self, provider: str, alias: str) -> Sequence[Filter]:
        named = self.models.get(alias, ())
        return (*named, *(wrap for wrap in self.providers.get(provider, ()) if wrap not in named))

    def chains(self, complete: Complete) -> Mapping[tuple[str, str], Complete]:
        """`complete` within the filters of each place, wrapped once: a filter may keep what its calls share."""
        places = [(provider, alias) for provider in ("", *self.providers) for alias in ("", *self.models)]
        return {place: wrapped(complete, self._scoped(*place)) for place in places}

    def place(self, target: Target) -> tuple[str, str]:
        """The key of a target in `chains`: its provider and its name, each empty if it has no filters."""
        provider, alias = target.model.provider, _alias(target)
        return provider if provider in self.providers else "", alias if alias in self.models else ""


def wrapped(complete: Complete, filters: Iterable[Filter]) -> Complete:
    """`complete` within the filters, of which the first is outermost."""
    for wrap in reversed(tuple(filters)):
        complete = wrap(complete)
    return complete


def _alias(target: Target) -> str:
    return target.alias.name if target.alias else ""
