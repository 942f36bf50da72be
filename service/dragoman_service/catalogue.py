"""The models of all opened providers, by every name that callers may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError, Provider

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """A model and the provider that has it."""

    model: v1.Model
    provider: Provider


class Catalogue:
    """`providers` by their configured name, in order; `unreachable`: why a configured provider could not be opened."""

    def __init__(self, providers: Mapping[str, Provider], unreachable: Mapping[str, str]) -> None:
        self._providers = providers
        self.unreachable = unreachable
        self._broken: set[str] = set()
        self._targets: dict[str, Target] = {}
        self._index()

    def models(self) -> list[v1.Model]:
        """All models as they are now, ordered by name."""
        models = [self._describe(name, model) for name in self._providers for model in self._models(name)]
        return sorted(models, key=lambda model: model.name)

    def find(self, name: str, shown: Callable[[v1.Model], bool] = lambda _: True) -> Target:
        """The model of that name or alias. Raises MODEL_NOT_FOUND, or NO_PROVIDER_AVAILABLE if its provider failed.

        The error names only models that are `shown` to the caller.
        """
        target = self._targets.get(name)
        if target is None:
            self._index()
            target = self._targets.get(name)
        if target is None:
            raise self._missing(name, shown)
        return target

    def now(self, target: Target) -> v1.Model:
        """The target's model as it is now: `find` tells how it was when its provider was last looked at."""
        return next((model for model in self.models() if model.name == target.model.name), target.model)

    def _models(self, provider: str) -> Sequence[v1.Model]:
        try:
            models = self._providers[provider].models()
        except Exception:  # a plugin that raises must not hide the models of the others
            if provider not in self._broken:
                log.exception("plugin.failed", provider=provider)
            self._broken.add(provider)
            return ()
        self._broken.discard(provider)
        return models

    def _index(self) -> None:
        """Full names first, then aliases in the order of the providers: the first to claim a name keeps it."""
        targets = [
            Target(self._describe(name, model), provider)
            for name, provider in self._providers.items()
            for model in self._models(name)
        ]
        self._targets = {target.model.name: target for target in targets}
        for target in targets:
            for alias in target.model.aliases:
                self._targets.setdefault(alias, target)

    @staticmethod
    def _describe(provider: str, model: v1.Model) -> v1.Model:
        described = v1.Model()
        described.CopyFrom(model)
        described.provider = provider
        described.name = f"{provider}/{model.provider_model}"
        return described

    def _missing(self, name: str, shown: Callable[[v1.Model], bool]) -> CompletionError:
        provider = name.partition("/")[0]
        if provider in self._broken or provider in self.unreachable:
            return CompletionError(
                code_pb2.UNAVAILABLE,
                v1.ERROR_REASON_NO_PROVIDER_AVAILABLE,
                f"The provider {provider!r} of the model could not be opened. The server's log tells why.",
                metadata={"provider": provider},
            )
        known = ", ".join([model.name for model in self.models() if shown(model)][:8]) or "none"
        return CompletionError(
            code_pb2.NOT_FOUND,
            v1.ERROR_REASON_MODEL_NOT_FOUND,
            f"No model is called {name[:128]!r}. Known: {known}. ModelService.ListModels shows all.",
            resource=f"models/{name[:128]}",
        )
