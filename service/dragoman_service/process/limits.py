"""Limits of the process, set before it serves."""

from __future__ import annotations

from dragoman_service.settings.errors import Mistake, SettingsError

try:
    import resource
except ImportError:  # Windows has neither limits nor core dumps
    resource = None  # type: ignore[assignment]

MIN_DESCRIPTORS = 32  # with fewer, gRPC cannot start
MAX_DESCRIPTORS = 65_536  # more serve nothing, and some libraries close each number up to the limit


def descriptor_limit() -> int | None:
    """How many files the service may have open at once. None: the system has no such limit."""
    if resource is None:
        return None
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)


def raise_descriptor_limit() -> None:
    """Allows as many open files as this user may have, because every connection takes one.

    Raises SettingsError if these are too few to serve.
    """
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = descriptor_limit() or hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < MIN_DESCRIPTORS:
        why = f"the limit of this user is {hard}, and the service needs {MIN_DESCRIPTORS} at least: raise it"
        raise SettingsError([Mistake("ulimit -n", why)])


def forbid_core_dumps() -> None:
    """Turns core dumps off for this process and its children: they would hold API keys and prompts.

    systemd-coredump and apport keep to the limit as well.
    """
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
