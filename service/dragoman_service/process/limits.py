"""Limits of the process, set before it serves."""

from __future__ import annotations

try:
    import resource
except ImportError:  # Windows has neither limits nor core dumps
    resource = None  # type: ignore[assignment]


def forbid_core_dumps() -> None:
    """Turns core dumps off for this process and its children: they would hold API keys and prompts.

    systemd-coredump and apport keep to the limit as well.
    """
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
