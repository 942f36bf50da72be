"""For authors of plugins and for our own tests: the laws of a provider, a scripted one, a server in this process.

Needs the extra `testing`: `pip install 'dragoman-service[testing]'`.
"""

import pytest

pytest.register_assert_rewrite("dragoman_service.testing.provider_laws", "dragoman_service.testing.operation_laws")

from dragoman_service.testing.provider_laws.laws import ProviderLaws  # noqa: E402 - its asserts are rewritten from now on
from dragoman_service.testing.scripted import Scripted, choice_finished, delta, tool_call, usage  # noqa: E402
from dragoman_service.testing.serving import Served, serving  # noqa: E402

__all__ = ["ProviderLaws", "Scripted", "Served", "choice_finished", "delta", "serving", "tool_call", "usage"]
