"""For plugin authors and our own tests: laws of providers, filters and dialects, a scripted provider, a service in this
process.

Needs the extra `testing`: `pip install 'dragoman-service[testing]'`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from dragoman_service.testing.scripted import Scripted, choice_finished, delta, tool_call, usage
from dragoman_service.testing.serving import Served, serving

if "pytest" in sys.modules:  # elsewhere nobody reads its messages
    import pytest

    for laws in ("dialect_laws", "filter_laws", "operation_laws", "provider_laws"):
        pytest.register_assert_rewrite(f"{__name__}.{laws}")

if TYPE_CHECKING:
    from dragoman_service.testing.dialect_laws.laws import DialectLaws
    from dragoman_service.testing.filter_laws.laws import FilterLaws
    from dragoman_service.testing.filter_laws.safety import SafetyFilterLaws
    from dragoman_service.testing.provider_laws.laws import ProviderLaws

__all__ = [
    "DialectLaws",
    "FilterLaws",
    "ProviderLaws",
    "SafetyFilterLaws",
    "Scripted",
    "Served",
    "choice_finished",
    "delta",
    "serving",
    "tool_call",
    "usage",
]

_LAWS = {
    "DialectLaws": "dialect_laws.laws",
    "FilterLaws": "filter_laws.laws",
    "ProviderLaws": "provider_laws.laws",
    "SafetyFilterLaws": "filter_laws.safety",
}


def __getattr__(name: str) -> object:
    """Imports laws when they are wanted: the processes of replicas need none, and start in half the time."""
    if name not in _LAWS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAWS[name]}"), name)
