"""The plan of a call: which targets are asked, in which order, and why others are not."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

import pytest
from dragoman import v1
from dragoman_service.errors import CompletionError
from dragoman_service.routing.planning.entry import Condition, Entry, Rule
from dragoman_service.routing.planning.plan import Verdict, plan
from google.rpc import code_pb2
from hypothesis import given
from hypothesis import strategies as st
from routed import Clock, facts, healthy, names, target, targets

DOWN = CompletionError(
    code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, "down", metadata={"upstream_status": "503"}
)


def fail(health, one, times=1, error=DOWN):
    for _ in range(times):
        health.end(one, error, lease=health.begin(one, first=True))


def dice(seed=1):
    return random.Random(seed).random  # noqa: S311 - the same numbers in each run


def planned(listed, entry=None, known=None, health=None, draw=None):
    return plan(listed, entry or Entry(), known or facts(), health or healthy(), draw or dice(1))


def test_targets_are_asked_in_the_order_of_the_settings():
    assert names(planned(targets("a/x", "b/x", "c/x")).chosen) == ["a/x", "b/x", "c/x"]


def test_tiers_of_a_lower_priority_go_first():
    entry = Entry(rules={"a/x": Rule(priority=2), "c/x": Rule(priority=1)})

    assert names(planned(targets("a/x", "b/x", "c/x"), entry).chosen) == ["b/x", "c/x", "a/x"]


@pytest.mark.parametrize(
    ("when", "tokens", "verdict"),
    [
        (Condition(input_tokens_under=100), 99, Verdict.CHOSEN),
        (Condition(input_tokens_under=100), 100, Verdict.CONDITION),
        (Condition(callers=("batch-*",)), 1, Verdict.CONDITION),
        (Condition(callers=("batch-*", "m*")), 1, Verdict.CHOSEN),
        (Condition(labels={"tier": "free"}), 1, Verdict.CHOSEN),
        (Condition(labels={"tier": "paid"}), 1, Verdict.CONDITION),
        (Condition(labels={"other": ""}), 1, Verdict.CONDITION),
    ],
    ids=repr,
)
def test_a_target_is_asked_only_if_its_conditions_hold(when, tokens, verdict):
    found = planned(
        targets("a/x", "b/x"), Entry(rules={"a/x": Rule(when=when)}), facts(tokens, labels={"tier": "free"})
    )

    assert ("a/x" in names(found.chosen)) is (verdict is Verdict.CHOSEN)
    assert verdict is Verdict.CHOSEN or [(one.model.name, why) for one, why in found.skipped] == [("a/x", verdict)]


def test_only_what_the_caller_names_is_asked():
    found = planned(targets("a/x", "b/x", "b/y"), known=facts(routing=v1.RoutingOptions(only=["b/*"])))

    assert names(found.chosen) == ["b/x", "b/y"]
    assert found.reasons == {Verdict.ONLY}


def test_a_prompt_that_surely_exceeds_a_context_window_goes_elsewhere():
    found = planned([target("a/x", 100), target("b/x", 1000), target("c/x")], known=facts(200))

    assert names(found.chosen) == ["b/x", "c/x"]
    assert found.reasons == {Verdict.CONTEXT_LENGTH}


def test_an_estimate_a_little_over_the_window_skips_nothing():
    assert names(planned([target("a/x", 100), target("b/x")], known=facts(120)).chosen) == ["a/x", "b/x"]


def test_weights_decide_how_often_a_target_goes_first():
    entry, draw = Entry("weighted", {"a/x": Rule(weight=3)}), dice(7)
    first = Counter(names(planned(targets("a/x", "b/x"), entry, draw=draw).chosen)[0] for _ in range(4000))

    assert abs(first["a/x"] - 3000) < 3 * (4000 * 0.75 * 0.25) ** 0.5


def test_of_two_drawn_the_less_busy_one_goes_first():
    health, (a, b) = healthy(), targets("a/x", "b/x")
    health.begin(a, first=True)

    assert {names(planned([a, b], Entry("least_busy"), health=health).chosen)[0] for _ in range(20)} == {"b/x"}


def test_of_two_drawn_the_one_that_answers_sooner_goes_first():
    health, (a, b) = healthy(), targets("a/x", "b/x")
    health.committed(a, 0.5)
    health.committed(b, 2.0)

    assert names(planned([a, b], Entry("fastest"), health=health).chosen)[0] == "a/x"
    for _ in range(4):
        health.begin(a, first=True)
    assert names(planned([a, b], Entry("fastest"), health=health).chosen)[0] == "b/x", "five under way at 0.5 s"


def test_a_slow_target_gets_another_chance_after_a_minute():
    clock = Clock()
    health, (a, b) = healthy(clock), targets("a/x", "b/x")
    health.committed(a, 9.0)
    clock.now += 61
    health.committed(b, 1.0)
    first = {names(planned([a, b], Entry("fastest"), health=health, draw=dice(n)).chosen)[0] for n in range(20)}

    assert first == {"a/x", "b/x"}


@given(st.text(min_size=1, max_size=20), st.integers(2, 8), st.data())
def test_removing_a_target_moves_only_its_own_sessions(session, count, data):
    listed = targets(*(f"p{number}/x" for number in range(count)))
    known = facts(routing=v1.RoutingOptions(session=session))
    before = planned(listed, known=known).chosen[0]
    gone = data.draw(st.sampled_from(listed))
    left = [one for one in listed if one is not gone]

    assert before is gone or planned(left, known=known).chosen[0] is before


def test_sessions_spread_over_targets_by_weight():
    entry = Entry(rules={"a/x": Rule(weight=3)})
    first = Counter(
        names(planned(targets("a/x", "b/x"), entry, facts(routing=v1.RoutingOptions(session=f"s{n}"))).chosen)[0]
        for n in range(2000)
    )

    assert abs(first["a/x"] - 1500) < 3 * (2000 * 0.75 * 0.25) ** 0.5


def test_a_target_that_the_key_does_not_allow_is_not_asked():
    known = dataclasses.replace(facts(), allowed=lambda one: one.model.name == "b/x")
    found = planned(targets("a/x", "b/x"), known=known)

    assert names(found.chosen) == ["b/x"]
    assert found.reasons == {Verdict.NOT_ALLOWED}


def test_very_small_weights_are_drawn_in_proportion():
    entry = Entry("weighted", {"a/x": Rule(weight=0.001), "b/x": Rule(weight=0.0001), "c/x": Rule(weight=0.001)})
    draw = dice(3)
    first = Counter(names(planned(targets("a/x", "b/x", "c/x"), entry, draw=draw).chosen)[0] for _ in range(4000))

    assert abs(first["b/x"] - 4000 / 21) < 3 * (4000 / 21) ** 0.5


@given(st.data())
def test_a_target_that_was_skipped_is_never_chosen(data):
    listed = [target(f"p{n}/x", data.draw(st.sampled_from([0, 50, 500]))) for n in range(data.draw(st.integers(1, 8)))]
    rules = {
        one.model.name: Rule(
            weight=data.draw(st.floats(0.01, 100)),
            priority=data.draw(st.integers(0, 3)),
            when=data.draw(st.none() | st.builds(Condition, input_tokens_under=st.integers(1, 300))),
        )
        for one in listed
    }
    health, entry = healthy(), Entry(data.draw(st.sampled_from(["first", "weighted", "least_busy", "fastest"])), rules)
    for one in data.draw(st.lists(st.sampled_from(listed), max_size=3)):
        fail(health, one, 5)
    found = planned(listed, entry, facts(data.draw(st.integers(1, 1000))), health)
    skipped = {one.model.name for one, _ in found.skipped}

    assert skipped.isdisjoint(names(found.chosen))
    assert sorted([*skipped, *names(found.chosen)]) == sorted(names(listed)), "each has a verdict"
    priorities = [rules[name].priority for name in names(found.chosen)]
    assert priorities == sorted(priorities)


def test_a_target_that_failed_too_often_is_left_out_while_another_is_there():
    health, (a, b) = healthy(), targets("a/x", "b/x")
    fail(health, a, 5)
    found = planned([a, b], health=health)

    assert names(found.chosen) == ["b/x"]
    assert found.reasons == {Verdict.BREAKER}


def test_the_last_target_is_probed_once_in_a_second():
    clock = Clock()
    health, (a,) = healthy(clock), targets("a/x")
    fail(health, a, 5)
    clock.now += 0.9
    refused = planned([a], health=health)
    clock.now += 0.2
    probed = planned([a], health=health)
    health.begin(a, first=True)
    again = planned([a], health=health)

    assert names(refused.chosen) == []
    assert names(probed.chosen) == ["a/x"]
    assert names(again.chosen) == []


def test_of_several_shut_targets_the_one_that_opens_first_is_probed():
    clock = Clock()
    health, (a, b) = healthy(clock), targets("a/x", "b/x")
    fail(health, b, 5)
    clock.now += 3
    fail(health, a, 5)
    clock.now += 1.5

    assert names(planned([a, b], health=health).chosen) == ["b/x"]
