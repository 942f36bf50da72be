"""The models that a caller may use, by every name that it may use for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.catalogue.aliases import Alias, covers, matches
from dragoman_service.catalogue.catalogue import Catalogue, Target
from dragoman_service.contract import CompletionError
from dragoman_service.engine.filtering import Filters


class Listing:
    """Resolves and lists models. `allowed` maps a caller to patterns of the models that it may use (default: all)."""

    def __init__(self, catalogue: Catalogue, filters: Filters, allowed: Mapping[str, Sequence[str]]) -> None:
        self._catalogue = catalogue
        self._filters = filters
        self._allowed = allowed

    def resolve(self, name: str, caller: str) -> Target:
        """The model that `name` stands for. Raises MODEL_NOT_FOUND, MODEL_NOT_ALLOWED or NO_PROVIDER_AVAILABLE.

        Resolve a model once for each call and pass the target on, because a second look-up may have another result.
        """
        target = self._catalogue.find(name, lambda model: self._may_use(model, caller))
        if not self.allows(target, caller):
            raise CompletionError(
                code_pb2.PERMISSION_DENIED,
                v1.ERROR_REASON_MODEL_NOT_ALLOWED,
                f"Your API key may not use {name[:128]}. ModelService.ListModels shows what it may use.",
                metadata={"model": name},
            )
        return target

    def resolve_any(self, names: Sequence[str], caller: str) -> tuple[str, Target]:
        """The first of `names` that a model has, and that model. Raises MODEL_NOT_FOUND for the first name, and
        otherwise as `resolve` does."""
        missing: CompletionError | None = None
        for name in names:
            try:
                return name, self.resolve(name, caller)
            except CompletionError as error:
                if error.reason != v1.ERROR_REASON_MODEL_NOT_FOUND:
                    raise
                missing = missing or error
        raise missing or LookupError(names)

    def allows(self, target: Target, caller: str) -> bool:
        """Whether the caller may use the target, by a name of its own or by the name that led to it."""
        return self._may_use(target.model, caller) or bool(target.alias and self._may_name(target.alias, caller))

    def models(self, caller: str) -> list[v1.Model]:
        """The models that `caller` may use, ordered by name, with the aliases that `caller` may use."""
        found = []
        for model, own, aliases in self._usable(caller):
            self._show(model, aliases, own=own)
            found.append(model)
        return found

    def names(self, caller: str) -> list[tuple[str, v1.Model]]:
        """Full names of models and exact names in the settings that `caller` may use, each with its model."""
        return [
            (name, model)
            for model, own, aliases in self._usable(caller)
            for name in ([model.name, *aliases] if own else aliases)
        ]

    def model(self, name: str, caller: str) -> v1.Model:
        """The model with that name as it is now, as `models` shows it. Raises the errors of `resolve`."""
        target = self.resolve(name, caller)
        listed = (model for model in self.models(caller) if model.name == target.model.name)
        found = next(listed, None)
        if found is None:  # this caller reaches it only through a pattern
            found = self._catalogue.now(target)
            self._show(found, (), own=False)
        return found

    def _usable(self, caller: str) -> Iterator[tuple[v1.Model, bool, list[str]]]:
        """The models that `caller` may use: whether by their own names, and by which names in the settings."""
        named = self._catalogue.aliases()
        for model in self._catalogue.models():
            own = self._may_use(model, caller)
            aliases = [alias.name for alias in named.get(model.name, ()) if own or self._may_name(alias, caller)]
            if own or aliases:
                yield model, own, aliases

    def _show(self, model: v1.Model, aliases: Sequence[str], *, own: bool) -> None:
        """Puts `aliases` before the model's own ones, kept only if `own` is true. Adds what filters honour."""
        shown = [*aliases, *(model.aliases if own else ())]
        del model.aliases[:]
        model.aliases.extend(shown)
        model.supported_fields.extend(sorted(self._filters.honours(model.provider) - {*model.supported_fields}))

    def _may_use(self, model: v1.Model, caller: str) -> bool:
        patterns = self._allowed.get(caller)
        if not patterns:
            return True
        names = (model.name, model.provider_model, *model.aliases)
        return any(matches(pattern, name) for name in names for pattern in patterns)

    def _may_name(self, alias: Alias, caller: str) -> bool:
        """Whether the caller may use this name in the settings, whatever model it stands for."""
        return any(covers(pattern, alias) for pattern in self._allowed.get(caller, ()))
