"""The laws of operation stores, kept by the memory store, except those about processes: see `Store.survives`."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from dragoman_service.testing.operation_laws import OperationStoreLaws, Store

NUMBERS = itertools.count()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"memory:laws-{next(NUMBERS)}", tmp_path, survives=False)


class TestMemory(OperationStoreLaws):
    """All of them; those about processes report why they do not apply."""
