"""Ids of operations."""

from __future__ import annotations

from dragoman_service.operations.model.ids import Ids


def test_ids_are_sorted_by_time_and_unlike() -> None:
    ids = Ids()
    made = [ids.make() for _ in range(70_000)]

    assert made == sorted(set(made))
    assert {len(one) for one in made} == {26}


def test_ids_of_different_servers_share_their_time_and_nothing_else() -> None:
    one, other = Ids().make(), Ids().make()

    assert one[:6] == other[:6]
    assert one[-12:] != other[-12:]
