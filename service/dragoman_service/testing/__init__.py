"""For plugin authors and our own tests: laws of providers, filters and dialects, a scripted provider, a service in this
process.

Needs the extra `testing`: `pip install 'dragoman-service[testing]'`.
"""

import pytest

for laws in ("dialect_laws", "filter_laws", "operation_laws", "provider_laws"):
    pytest.register_assert_rewrite(f"dragoman_service.testing.{laws}")

from dragoman_service.testing.dialect_laws.laws import DialectLaws  # noqa: E402 - its asserts are rewritten from now on
from dragoman_service.testing.filter_laws.laws import FilterLaws  # noqa: E402
from dragoman_service.testing.filter_laws.safety import SafetyFilterLaws  # noqa: E402
from dragoman_service.testing.provider_laws.laws import ProviderLaws  # noqa: E402
from dragoman_service.testing.scripted import Scripted, choice_finished, delta, tool_call, usage  # noqa: E402
from dragoman_service.testing.serving import Served, serving  # noqa: E402

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
