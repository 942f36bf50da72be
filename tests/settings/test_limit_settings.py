"""Settings of limits: what they mean, and what is said of mistakes."""

import pytest
from dragoman_service.limits.chain import Chain, kind_of
from dragoman_service.settings.settings import SettingsError, load

KEY = {"id": "search-1", "sha256": "0" * 64, "team": "search"}
OTHER = {"id": "search-2", "sha256": "1" * 64, "team": "search"}


def settings(**limits):
    return load(overrides={"access.keys": [KEY, OTHER], "limits": limits})


def chain_of(**limits):
    return Chain(settings(**limits).limits, {"search-1": "search", "search-2": "search"})


def told(limits):
    return [(limit.scope, limit.kind, limit.cap) for limit in limits]


def test_a_call_has_the_limits_of_its_key_its_team_and_the_service():
    chain = chain_of(
        keys={"*": {"requests": {"minute": 600, "burst": 50}}},
        teams={"search": {"cost": {"month": "500 USD"}}},
        service={"tokens": {"hour": 9}},
    )

    assert told(chain.of("search-1", ("m",))) == [
        ("key/search-1", "requests/minute", 50),
        ("team/search", "cost/month", 500 * 10**9),
        ("service", "tokens/hour", 9),
    ]
    assert told(chain.of("stranger", ("m",)))[0][0] == "key/stranger"


def test_a_key_of_its_own_has_its_own_limits_and_none_if_its_table_is_empty():
    chain = chain_of(keys={"*": {"requests": {"day": 1}}, "search-1": {"requests": {"day": 7}}, "search-2": {}})

    assert told(chain.of("search-1", ("m",))) == [("key/search-1", "requests/day", 7)]
    assert chain.of("search-2", ("m",)) == ()


def test_limits_of_a_pattern_are_for_models_whose_names_match():
    chain = chain_of(service={"models": {"gpt-*": {"tokens": {"day": 5}}}})

    assert told(chain.of("a", ("gpt-4", "vendor/x"))) == [("service", "tokens/day/gpt-*", 5)]
    assert chain.of("a", ("llama", "vendor/x")) == ()
    assert kind_of(chain.all_of("a")[0]).pattern == "gpt-*"


def test_minutes_and_hours_are_rates_and_days_and_months_are_budgets():
    amounts = {"minute": 1, "hour": 2, "day": 3, "month": 4}
    chain = chain_of(timezone="Europe/Berlin", service={"requests": amounts})

    assert [(one.every, one.period, one.zone) for one in chain.of("a", ())] == [
        (60_000, "", "UTC"),
        (3_600_000, "", "UTC"),
        (0, "day", "Europe/Berlin"),
        (0, "month", "Europe/Berlin"),
    ]


@pytest.mark.parametrize(
    ("limits", "mistake"),
    [
        ({"timezone": "Mars"}, "limits.timezone: should be the name of a time zone"),
        ({"keys": {"*": {"requests": {"burst": 5}}}}, "limits.keys.*.requests: should have at least one of minute"),
        ({"keys": {"*": {"requests": {"day": 5, "burst": 5}}}}, "limits.keys.*.requests: has a burst, which needs a"),
        ({"teams": {"search": {"cost": {"warn": [0.5]}}}}, "limits.teams.search.cost: should have at least one of day"),
        ({"teams": {"search": {"cost": {"day": "5 EUR"}}}}, "limits.teams.search.cost.day: should be an amount in US"),
        ({"service": {"tokens": {"minute": True}}}, "limits.service.tokens.minute: should be a number, not true"),
        ({"service": {"models": {"a*": {"tokns": {}}}}}, "limits.service.models.a*.tokns: unknown key; did you mean"),
        ({"keys": {"serch-1": {}}}, "limits.keys.serch-1: is not the id of a key"),
        ({"teams": {"serch": {}}}, "limits.teams.serch: is not the team of any key"),
        ({"on_limit": "halt"}, "limits.on_limit: should be 'stop' or 'finish'"),
    ],
)
def test_mistakes_say_where_they_are_and_what_is_allowed(limits, mistake):
    with pytest.raises(SettingsError) as wrong:
        settings(**limits)

    assert str(wrong.value).startswith(mistake)
