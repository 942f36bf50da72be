"""The laws of operation stores, as tests that every store inherits, and the replicas that they run. The laws need the
extra `testing`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman_service.testing.operation_laws.laws import OperationStoreLaws
    from dragoman_service.testing.operation_laws.stage import Store

__all__ = ["OperationStoreLaws", "Store"]

_HOMES = {"OperationStoreLaws": "laws", "Store": "stage"}


def __getattr__(name: str) -> object:
    """Imports a name when it is wanted, see `dragoman_service.testing`."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
