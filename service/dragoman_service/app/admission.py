"""Builds admission from the settings: nothing, if nothing has a limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from dragoman import v1

from dragoman_service.admission.callers import HIGHEST, CallerLimits, Callers
from dragoman_service.admission.filter import SERVICE, Admission, Entries
from dragoman_service.admission.gate import Gate
from dragoman_service.admission.heartbeats import make_heartbeats
from dragoman_service.admission.pools import Group, Pool
from dragoman_service.admission.queue import Bounds
from dragoman_service.admission.slots import Range, Slots, shared_out
from dragoman_service.admission.targets import TargetSlots
from dragoman_service.app.exact import Demand
from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.contract import Call, Filter
from dragoman_service.engine.filtering import Filters
from dragoman_service.settings.admission import Concurrency, QueueSettings, RangeSettings
from dragoman_service.settings.settings import Settings
from dragoman_service.telemetry.admission import AdmissionMeter
from dragoman_service.telemetry.metrics import Metrics


@dataclass(slots=True)
class AdmissionParts:
    """What the settings ask for. `filter` and `targets` are None if nothing has a limit.

    `exact` are the slots of limits that all workers share, with the limits; `demand` knows what they need.
    """

    heartbeats: Filter
    demand: Demand
    exact: Mapping[Slots, int]
    filter: Filter | None = None
    targets: TargetSlots | None = None
    gates: list[Gate] = field(default_factory=list)

    def around(self, filters: Filters, limiting: Filter | None = None) -> Filters:
        """`filters` with ours, heartbeats just inside the first of them, which is metering; `limiting` is outside the
        slots, so that what it refuses never waits for one."""
        inside = tuple(one for one in (limiting, self.filter) if one is not None)
        first, *rest = filters.everywhere
        return replace(filters, everywhere=(first, self.heartbeats, *rest, *inside))


class _Shares:
    """The part of each limit that this worker has."""

    def __init__(self, settings: Settings, worker: int) -> None:
        self._workers, self._number = settings.server.workers, max(0, worker - 1)
        self._default = settings.admission.queue
        self._is_exact = settings.admission.exact
        self.exact: dict[Slots, int] = {}

    def slots(self, limit: Concurrency) -> Slots:
        if isinstance(limit, RangeSettings):
            return Slots(Range(self._part(limit.min), self._part(limit.max)))
        if self._is_exact:
            self.exact[slots := Slots(0)] = limit
            return slots
        return Slots(self._part(limit))

    def bounds(self, queue: QueueSettings | None) -> Bounds:
        queue = queue or self._default
        tokens = queue.tokens and self._part(queue.tokens)
        return Bounds(queue.length and self._part(queue.length), tokens, queue.wait)

    def _part(self, limit: int) -> int:
        return shared_out(limit, self._workers, self._number)

    def part_of(self, limit: int | None) -> int | None:
        return limit and self._part(limit)


def build_admission(settings: Settings, catalogue: Catalogue, metrics: Metrics, worker: int) -> AdmissionParts:
    """The filters and the slots of targets. `worker` is the number of this one of several, from 1."""
    shares, positions = _Shares(settings, worker), dict[str, Callable[[], int]]()
    keys = {
        key.id: CallerLimits(shares.part_of(key.concurrency), key.weight, key.longest_priority)
        for key in settings.access.keys
    }
    callers = Callers(keys, CallerLimits(highest_priority=0 if keys else HIGHEST))
    entries, meter = Entries(callers), Demand(AdmissionMeter(metrics))
    parts = AdmissionParts(make_heartbeats(positions), meter, shares.exact)
    group = _service_group(settings, shares)
    if group.pools or any(key.concurrency for key in settings.access.keys):
        admission = Admission(group, callers, entries, meter, positions, _names(catalogue))
        parts.filter = admission
        parts.gates.append(admission.gate)
    if groups := _target_groups(settings, shares):
        parts.targets = TargetSlots(groups, entries, meter, positions)
        parts.gates += parts.targets.gates.values()
    return parts


def _service_group(settings: Settings, shares: _Shares) -> Group:
    limit = settings.admission.concurrency
    group = Group(SERVICE, None if limit is None else shares.slots(limit))
    if limit is not None:
        group.add(Pool(SERVICE, None, shares.bounds(None)))
    for name, model in settings.models.items():
        if model.concurrency is not None:
            group.add(Pool(f"models/{name}", shares.slots(model.concurrency), shares.bounds(model.queue)))
    return group


def _target_groups(settings: Settings, shares: _Shares) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for name, limits in settings.provider_limits.items():
        group = groups[name] = Group(f"providers/{name}", shares.slots(limits.concurrency))
        group.add(Pool(f"providers/{name}", None, shares.bounds(limits.queue)))
    for target, limits in settings.admission.targets.items():
        provider = target.partition("/")[0]
        group = groups.setdefault(provider, Group(f"providers/{provider}"))
        group.add(Pool(f"targets/{target}", shares.slots(limits.concurrency), shares.bounds(limits.queue)))
    return groups


def _names(catalogue: Catalogue) -> Callable[[v1.CompletionRequest, Call], str]:
    def name_of(request: v1.CompletionRequest, call: Call) -> str:
        target = catalogue.asked(request, call)  # what is not found has no slots, and is refused further inside
        return target.alias.name if target is not None and target.alias else ""

    return name_of
