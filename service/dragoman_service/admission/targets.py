"""Slots of targets and providers, which routing takes around each attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dragoman import v1

from dragoman_service.admission.filter import Entries
from dragoman_service.admission.gate import AdmissionObserver, Gate, Hold
from dragoman_service.admission.pools import Group, Pool
from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import Call


class TargetSlots:
    """`groups` by the name of the provider. A target without a pool of its own uses that of its provider, if any.

    An attempt of an operation waits as long as its deadline allows, because those that run at a time are limited.
    """

    def __init__(
        self,
        groups: Mapping[str, Group],
        entries: Entries,
        observer: AdmissionObserver,
        positions: dict[str, Callable[[], int]],
    ) -> None:
        self.gates = {provider: Gate(group, observer, positions) for provider, group in groups.items()}
        self._entries = entries

    def slot(self, target: Target, request: v1.CompletionRequest, call: Call, *, queue: bool = True) -> Hold | None:
        """A slot of the target for one attempt, whose error it is told when the context ends with it. None: the target
        has no limit.

        Without `queue`, which is for hedges, and for attempts that could go elsewhere, it never waits. Raises
        OVERLOADED and SHUTTING_DOWN on entering.
        """
        if (found := self._found(target)) is None:
            return None
        gate, pool = found
        bounded = call.record is not None
        return gate.hold(pool, call, lambda now: self._entries.entry(request, call, now, bounded=bounded), queue=queue)

    def limits(self, target: Target) -> bool:
        """Whether the target has a limit."""
        return self._found(target) is not None

    def _found(self, target: Target) -> tuple[Gate, Pool] | None:
        provider, model = target.model.provider, target.model.provider_model
        if (gate := self.gates.get(provider)) is None:
            return None
        pools = gate.group.pools
        pool = pools.get(f"targets/{provider}/{model}") or pools.get(f"providers/{provider}")
        return None if pool is None else (gate, pool)
