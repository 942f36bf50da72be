"""For authors of plugins and for our own tests: the laws of a provider, a scripted one, a server in this process.

Needs the extra `testing`: `pip install 'dragoman-service[testing]'`.
"""

import pytest

_OF_OPERATIONS = ("machine", "queue", "reach", "stage", "survival", "world", "replica", "process")
pytest.register_assert_rewrite(*(f"dragoman_service.testing.{part}" for part in ("laws", "claims", "tool_claims")))
pytest.register_assert_rewrite(*(f"dragoman_service.testing.operation_laws_{part}" for part in _OF_OPERATIONS))

from dragoman_service.testing.laws import ProviderLaws  # noqa: E402 - its asserts are rewritten from now on
from dragoman_service.testing.scripted import Scripted, choice_finished, delta, tool_call, usage  # noqa: E402
from dragoman_service.testing.serving import Served, serving  # noqa: E402

__all__ = ["ProviderLaws", "Scripted", "Served", "choice_finished", "delta", "serving", "tool_call", "usage"]
