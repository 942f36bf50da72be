"""The models of all opened providers, by every name that callers may use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import structlog
from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.boundary import describe, loggable
from dragoman_service.catalogue.aliases import Alias, Aliases
from dragoman_service.contract import Call, CompletionError, Provider

MAX_MODELS = 10_000  # of one provider
READY_AGE = 0.25  # seconds for which a target that was ready is not asked about again

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """A model and its provider. `alias` is the name in the settings that led to it, if one did."""

    model: v1.Model
    provider: Provider
    alias: Alias | None = None


class Catalogue:
    """Finds models by name.

    `providers` are keyed by their configured name, in the order of the settings. `unreachable` says why a configured
    provider could not be opened. `max_age` is the number of seconds after which a name that only a pattern matches is
    looked for among the providers again, because a provider may have got it since.

    A name is looked up first among the full names of models, then among the exact names of `aliases`, then among the
    providers' own aliases, and then among the patterns of `aliases`. A name that starts with a provider's name is
    matched only by a pattern that does so too.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        unreachable: Mapping[str, str],
        aliases: Aliases | None = None,
        *,
        max_age: float = 1.0,
    ) -> None:
        self._providers = providers
        self._unopened = unreachable
        self._aliases = aliases or Aliases()
        self._max_age = max_age
        self._broken: dict[str, str] = {}
        self._ready: dict[str, tuple[float, bool]] = {}
        self._full: dict[str, Target] = {}
        self._routes: dict[str, Sequence[Target]] = {}  # by the name in the settings
        self._short: dict[str, Target] = {}
        self._index()

    @property
    def unreachable(self) -> Mapping[str, str]:
        """The providers that could not be opened, or whose `models` raises now, each with the reason."""
        return {**self._broken, **self._unopened}

    def models(self) -> list[v1.Model]:
        """All models as they are now, ordered by name, with the aliases of their providers that lead to them."""
        models = [self._describe(name, model) for name in self._providers for model in self._models(name)]
        owned: set[str] = set()
        for model in models:  # of several that declare one alias, the first has it
            kept = [alias for alias in model.aliases if alias not in owned]
            owned.update(kept)
            del model.aliases[:]
            model.aliases.extend(kept)
        return sorted(models, key=lambda model: model.name)

    def aliases(self) -> dict[str, list[Alias]]:
        """The exact names in the settings, grouped by the full name of the model that each stands for now."""
        self._index()
        found: dict[str, list[Alias]] = {}
        for alias in self._aliases.exact.values():
            target = self._behind(alias)
            if target is not None and alias.name not in self._full:
                found.setdefault(target.model.name, []).append(alias)
        return found

    def find(self, name: str, shown: Callable[[v1.Model], bool] = lambda _: True) -> Target:
        """The model with that name or alias. Raises MODEL_NOT_FOUND, or NO_PROVIDER_AVAILABLE if its provider failed.

        The error lists only models for which `shown` is true.
        """
        target = self._known(name)
        if target is None:
            self._index()
            target = self._known(name)
        if target is None:
            raise self._missing(name, shown)
        return target

    def asked(self, request: v1.CompletionRequest, call: Call) -> Target | None:
        """The model that a call asks for: the one that it carries, if it was resolved already. None: there is none."""
        target: Target | None = getattr(call, "target", None)
        try:
            return self.find(request.model) if target is None else target
        except CompletionError:
            return None

    def route(self, target: Target) -> Sequence[Target]:
        """The targets that a request for `target` may go to, in the order of the settings: at least itself."""
        if target.alias is None:
            return (target,)
        found = self._routes.get(target.alias.name)
        if found is None:
            named = (self._full[name] for name in target.alias.targets if name in self._full)
            found = self._routes[target.alias.name] = tuple(replace(each, alias=target.alias) for each in named)
        return found or (target,)

    def is_listed(self, name: str) -> bool:
        """Whether it is one of a bounded number of names, which those that only a pattern matches are not."""
        return name in self._full or name in self._aliases.exact or name in self._short

    def is_local(self, full_name: str) -> bool:
        """Whether the model runs on this machine."""
        return full_name in self._full and self._full[full_name].model.local

    def now(self, target: Target) -> v1.Model:
        """The target's model as it is now. `find` may return it as it was when the provider was last read."""
        provider, name = target.model.provider, target.model.provider_model
        found = (model for model in self._models(provider) if model.provider_model == name)
        return next((self._describe(provider, model) for model in found), target.model)

    def is_ready(self, target: Target) -> bool:
        """Whether the target's provider takes requests for it, as of at most `READY_AGE` seconds ago."""
        name, now = target.model.name, time.monotonic()
        asked, ready = self._ready.get(name, (0.0, False))
        if now - asked > READY_AGE or not ready:
            ready = self.now(target).availability == v1.AVAILABILITY_READY
            self._ready[name] = now, ready
        return ready

    def mistakes(self) -> Iterator[tuple[str, str]]:
        """Names in the settings that can never work, each as a path below `models`, with the reason."""
        for alias in self._aliases:
            if alias.name in self._full:
                yield alias.name, "is the full name of a model, which takes precedence: choose another name"
            for target in alias.targets:
                provider = target.partition("/")[0]
                has = [name for name in self._full if name.startswith(f"{provider}/")]
                if has and target not in self._full:
                    yield f"{alias.name}.targets", f"the provider {provider!r} has no {target!r}; it has {_some(has)}"

    def _known(self, name: str) -> Target | None:
        if name in self._full:
            return self._full[name]
        if name in self._aliases.exact:
            return self._behind(self._aliases.exact[name])
        alias = None if name in self._short else self._pattern_for(name)
        return self._short.get(name) if alias is None else self._behind(alias)

    def _pattern_for(self, name: str) -> Alias | None:
        alias = self._aliases.matching(name)
        if alias is None or not alias.name.startswith(self._owner(name)):
            return None
        if time.monotonic() - self._indexed >= self._max_age:
            self._index()
        return None if name in self._short else alias

    def _owner(self, name: str) -> str:
        """The prefix that makes the name a provider's own, as in `vendor/`; empty if there is none."""
        provider, slash, _ = name.partition("/")
        return provider + slash if slash and (provider in self._providers or provider in self._unopened) else ""

    def _behind(self, alias: Alias) -> Target | None:
        """The first of its targets that is ready, otherwise the first that exists."""
        targets = [self._full[name] for name in alias.targets if name in self._full]
        if not targets:
            return None
        ready = (target for target in targets if self.now(target).availability == v1.AVAILABILITY_READY)
        return replace(targets[0] if len(targets) == 1 else next(ready, targets[0]), alias=alias)

    def _models(self, provider: str) -> Sequence[v1.Model]:
        try:
            models = list(islice(self._providers[provider].models(), MAX_MODELS + 1))
            _check_models(models)
        except BaseException as fault:
            if provider not in self._broken:
                log.error("plugin.failed", provider=provider, reason=describe(fault), exc_info=loggable(fault))
            self._broken[provider] = describe(fault)
            return ()
        self._broken.pop(provider, None)
        return models

    def _index(self) -> None:
        """Asks the providers anew. If several declare one alias, the first in the order of the settings keeps it."""
        self._indexed = time.monotonic()
        targets = [
            Target(self._describe(name, model), provider)
            for name, provider in self._providers.items()
            for model in self._models(name)
        ]
        self._full = {target.model.name: target for target in targets}
        self._routes.clear()
        self._short = {}
        for target in targets:
            for alias in target.model.aliases:
                self._short.setdefault(alias, target)

    def _describe(self, provider: str, model: v1.Model) -> v1.Model:
        described = v1.Model()
        described.CopyFrom(model)
        described.provider = provider
        described.name = f"{provider}/{model.provider_model}"
        if any(alias in self._aliases.exact for alias in model.aliases):
            del described.aliases[:]
            described.aliases.extend(alias for alias in model.aliases if alias not in self._aliases.exact)
        return described

    def _missing(self, name: str, shown: Callable[[v1.Model], bool]) -> CompletionError:
        provider, _, rest = name.partition("/")
        named = shown(v1.Model(name=name, provider_model=rest))  # others learn no names of providers and aliases
        if named and provider in self.unreachable:
            return CompletionError(
                code_pb2.UNAVAILABLE,
                v1.ERROR_REASON_NO_PROVIDER_AVAILABLE,
                f"The provider {provider!r} of the model could not be opened. The server's log says why.",
                metadata={"provider": provider},
            )
        if named and (name in self._aliases.exact or self._pattern_for(name) is not None):
            return CompletionError(
                code_pb2.UNAVAILABLE,
                v1.ERROR_REASON_NO_PROVIDER_AVAILABLE,
                f"None of the models that {name[:128]!r} stands for is available now. The server's log says why.",
            )
        known = _some([model.name for model in self.models() if shown(model)])
        return CompletionError(
            code_pb2.NOT_FOUND,
            v1.ERROR_REASON_MODEL_NOT_FOUND,
            f"There is no model {name[:128]!r}. Known: {known}. ModelService.ListModels lists all.",
            resource=f"models/{name[:128]}",
        )


def _check_models(models: Sequence[object]) -> None:
    if len(models) > MAX_MODELS:
        raise ValueError(f"models() returned more than {MAX_MODELS} models")
    for model in models:
        if not isinstance(model, v1.Model):
            raise TypeError(f"models() returned an object of type {type(model).__name__} among the models")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) or "none"
