"""All laws of operation stores in one class."""

from __future__ import annotations

from dragoman_service.testing.operation_laws.machine import MachineLaws
from dragoman_service.testing.operation_laws.queue import QueueLaws, SharingLaws
from dragoman_service.testing.operation_laws.reach import ReachLaws
from dragoman_service.testing.operation_laws.survival import SurvivalLaws


class OperationStoreLaws(MachineLaws, QueueLaws, ReachLaws, SharingLaws, SurvivalLaws):
    """Subclass it and give it a fixture `store` that describes a fresh store for each test.

        class TestSqlite(OperationStoreLaws):
            @pytest.fixture
            def store(self, tmp_path):
                return Store("sqlite:///operations.db", tmp_path)

    Replicas run in this process and in others, which are killed, frozen and given wrong clocks; see `Store.survives`.
    """
