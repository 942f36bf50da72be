"""Names and patterns in the settings: what they stand for, and who may use them."""

import pytest
from dragoman import text_of, v1
from dragoman_service.catalogue.aliases import Alias, Aliases, covers
from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.contract import CompletionError
from dragoman_service.engine.engine import Engine
from dragoman_service.engine.filtering import Filters
from dragoman_service.providers.echo.provider import Echo
from dragoman_service.testing import Scripted, choice_finished, delta
from engine_calls import answer, model, request_of


def engine_of(table, providers=None, unreachable=None, *, max_age=1.0, **options):
    providers = {"echo": Echo()} if providers is None else providers
    catalogue = Catalogue(providers, unreachable or {}, Aliases(table), max_age=max_age)
    return Engine(catalogue, **options)


def provider_of(name, *aliases, availability=v1.AVAILABILITY_READY):
    described = model(name, *aliases)
    described.availability = availability
    return Scripted(delta(name), choice_finished(), model=described)


def found(engine, name, caller="me"):
    return engine.resolve(name, caller).model.name


def reason_of(engine, name, caller="me"):
    with pytest.raises(CompletionError) as caught:
        engine.resolve(name, caller)
    return caught.value.reason_name


# What a name stands for


async def test_a_name_in_the_settings_is_answered_by_its_target_and_returned_as_it_was_written():
    completion = await answer(engine_of({"gpt-*": ["echo/echo"]}), request_of("gpt-4o"))

    assert text_of(completion) == "one two three"
    assert (completion.requested_model, completion.provider, completion.served_model) == ("gpt-4o", "echo", "echo")


@pytest.mark.parametrize(
    ("name", "stands_for"),
    [
        ("p/real", "p/real"),
        ("exact", "p/a"),
        ("short", "p/b"),
        ("own", "p/real"),
        ("gpt-4", "p/d"),
        ("gpt-4-turbo", "p/c"),
        ("gpt-3", "p/b"),
        ("gpt-", "p/b"),
        ("else", "p/a"),
        ("", "p/a"),
        ("a.b", "p/a"),
    ],
)
def test_full_names_win_over_exact_names_over_aliases_over_the_most_specific_pattern(name, stands_for):
    class Many(Scripted):
        def models(self):
            return [model("real", "own", "short"), *map(model, "abcd")]

    table = {
        "*": ["p/a"],
        "gpt-*": ["p/b"],
        "gpt-4*": ["p/c"],
        "gpt-4": ["p/d"],
        "exact": ["p/a"],
        "short": ["p/b"],
        "ex*": ["p/c"],
        "p/real": ["p/a"],
    }

    assert found(engine_of(table, {"p": Many()}), name) == stands_for


def test_of_patterns_with_the_same_beginning_the_longest_wins_and_then_the_first():
    aliases = Aliases({"a*": ["p/1"], "a*c": ["p/2"], "a*d": ["p/3"], "a*b*": ["p/4"], "a*-c": ["p/5"]})

    assert [aliases.matching(name).targets[0] for name in ("ax", "a-c", "abc", "abd")] == ["p/1", "p/5", "p/4", "p/4"]
    assert aliases.matching("b") is None


@pytest.mark.parametrize("pattern", ["a?*", "a[bc]*", "a.*", "a\\*"])
def test_nothing_but_the_star_is_special(pattern):
    aliases = Aliases({pattern: ["p/m"]})

    assert aliases.matching("abc") is None
    assert aliases.matching(pattern.replace("*", "bc")) is not None


def test_a_very_long_name_matches_no_pattern_and_a_pattern_of_many_stars_takes_no_time():
    aliases = Aliases({"a*" * 100 + "b": ["p/m"], "*": ["p/m"]})

    assert aliases.matching("x" * 257) is None
    assert aliases.matching("a" * 256).name == "*"


def test_a_name_of_a_provider_is_matched_only_by_a_pattern_for_that_provider():
    engine = engine_of({"*": ["echo/echo"], "other/*": ["echo/echo"]}, unreachable={"acme": "away", "other": "away"})

    assert reason_of(engine, "echo/typo") == "MODEL_NOT_FOUND"
    assert reason_of(engine, "acme/tiny") == "NO_PROVIDER_AVAILABLE"
    assert found(engine, "other/model") == found(engine, "meta-llama/Llama-3") == "echo/echo"


def test_the_first_target_that_is_ready_now_is_taken():
    away, ready = provider_of("big", availability=v1.AVAILABILITY_UNAVAILABLE), provider_of("small")
    engine = engine_of({"best": ["p/big", "q/small"]}, {"p": away, "q": ready})

    assert found(engine, "best") == "q/small"
    away.model = model("big")
    assert found(engine, "best") == "p/big"
    away.model = model("big", "late")
    away.model.availability = ready.model.availability = v1.AVAILABILITY_UNAVAILABLE
    assert found(engine, "best") == "p/big", "it tells why it cannot"


def test_a_target_that_could_not_be_opened_is_skipped_and_without_any_the_name_is_unavailable():
    table = {"best": ["acme/big", "echo/echo"], "only": ["acme/big"], "only-*": ["acme/big"]}
    engine = engine_of(table, unreachable={"acme": "ValueError: key sk-123"})

    assert found(engine, "best") == "echo/echo"
    assert reason_of(engine, "only") == reason_of(engine, "only-this") == "NO_PROVIDER_AVAILABLE"


def test_a_provider_that_gets_a_name_later_takes_it_from_the_pattern():
    provider = provider_of("old")
    engine = engine_of({"new*": ["p/old"]}, {"p": provider}, max_age=0)
    first = found(engine, "newest")
    provider.model = model("old", "newest")
    target = engine.resolve("newest", "me")

    assert first == "p/old"
    assert target.alias is None, "it is the provider's own now"


async def test_a_call_that_carries_its_target_goes_to_the_next_one_of_its_name_if_that_is_not_ready_any_more():
    first, second = provider_of("big"), provider_of("small")
    engine = engine_of({"best": ["p/big", "q/small"]}, {"p": first, "q": second})
    target = engine.resolve("best", "me")
    first.model.availability = v1.AVAILABILITY_UNAVAILABLE
    async with engine.relay(request_of("best"), engine.call("me"), target) as relay:
        completion = await relay.completion()

    assert text_of(completion) == "small"
    assert text_of(await answer(engine, request_of("best"))) == "small"


async def test_a_filter_that_asks_for_another_model_gets_that_one():
    def redirecting(complete):
        def redirected(request, call):
            return complete(request_of("q/small"), call)

        return redirected

    engine = engine_of({}, {"p": provider_of("big"), "q": provider_of("small")}, filters=Filters([redirecting]))
    target = engine.resolve("p/big", "me")
    async with engine.relay(request_of("p/big"), engine.call("me"), target) as relay:
        completion = await relay.completion()

    assert completion.served_model == "small"


# What is shown


def test_exact_names_are_listed_with_the_model_that_they_stand_for_now_and_removed_from_others():
    first, second = provider_of("big", "fast", "large"), provider_of("small", "tiny")
    engine = engine_of(
        {"fast": ["q/small"], "best": ["p/big", "q/small"], "gpt-*": ["p/big"]}, {"p": first, "q": second}
    )
    listed = {shown.name: list(shown.aliases) for shown in engine.models("me")}

    assert listed == {"p/big": ["best", "large"], "q/small": ["fast", "tiny"]}
    first.model.availability = v1.AVAILABILITY_UNAVAILABLE
    assert list(engine.model("best", "me").aliases) == ["fast", "best", "tiny"]
    assert engine.model("gpt-5", "me").name == "p/big"


def test_names_matched_by_a_pattern_are_not_listed_and_all_others_are():
    catalogue = engine_of({"best": ["echo/echo"], "gpt-*": ["echo/echo"]}).catalogue

    assert [catalogue.is_listed(name) for name in ("echo/echo", "echo", "best", "gpt-4", "gpt-*")] == [
        True,
        True,
        True,
        False,
        False,
    ]


# Who may use them


@pytest.mark.parametrize(
    ("models", "name", "may"),
    [
        (["p/big"], "best", True),
        (["big"], "gpt-4", True),
        (["best"], "best", True),
        (["best"], "p/big", False),
        (["best"], "large", False),
        (["best"], "gpt-4", False),
        (["gpt-*"], "gpt-4", True),
        (["gpt*"], "gpt-4", True),
        (["*"], "gpt-4", True),
        (["gpt-4"], "gpt-4", False),
        (["gpt-4*"], "gpt-4-turbo", False),
        (["gpt-?"], "gpt-4", False),
        (["gpt-[*]"], "gpt-4", False),
        (["small"], "best", False),
        (["q/*"], "fallback", False),
        (["fast"], "big", False),
    ],
)
def test_a_key_reaches_a_model_by_a_name_only_if_it_may_use_either(models, name, may):
    providers = {"p": provider_of("big", "large", "fast"), "q": provider_of("small")}
    table = {
        "best": ["p/big"],
        "gpt-*": ["p/big"],
        "fallback": ["p/big", "q/small"],
        "fast": ["q/small"],
        "big": ["p/big"],
    }
    engine = engine_of(table, providers, allowed={"team": models})

    if may:
        assert found(engine, name, "team") == "p/big"
    else:
        assert reason_of(engine, name, "team") == "MODEL_NOT_ALLOWED"


def test_a_key_for_a_name_is_shown_that_name_and_no_other_of_the_model():
    engine = engine_of(
        {"best": ["p/big"], "better": ["p/big"], "gpt-*": ["p/big"]},
        {"p": provider_of("big", "large"), "q": provider_of("small")},
        allowed={"team": ["best"], "gpts": ["gpt-*"]},
    )
    (listed,) = engine.models("team")

    assert (listed.name, list(listed.aliases)) == ("p/big", ["best"])
    assert engine.model("best", "team") == listed
    assert engine.models("gpts") == []
    assert list(engine.model("gpt-4", "gpts").aliases) == []


def test_a_refusal_does_not_reveal_what_a_name_stands_for():
    engine = engine_of({"best": ["p/secret"]}, {"p": provider_of("secret")}, allowed={"team": ["x"]})
    with pytest.raises(CompletionError) as caught:
        engine.resolve("best", "team")

    assert "secret" not in str(caught.value.status("1"))


def test_only_a_star_covers_what_a_star_matches():
    alias = Alias("gpt-*", ("p/m",))
    covering = ["*", "gpt-*", "g*", "gpt-**", "*-*"]

    assert [
        pattern for pattern in [*covering, "gpt-?", "gpt-[*]", "gpt-4*", "gpt-", ""] if covers(pattern, alias)
    ] == covering


# Mistakes


def test_aliases_that_can_never_work_are_mistakes():
    table = {
        "best": ["echo/echo", "echo/eco"],
        "echo/echo": ["echo/echo"],
        "later": ["acme/unknown"],
    }
    catalogue = engine_of(table, unreachable={"acme": "away"}).catalogue

    assert list(catalogue.mistakes()) == [
        ("best.targets", "the provider 'echo' has no 'echo/eco'; it has echo/echo"),
        ("echo/echo", "is the full name of a model, which takes precedence: choose another name"),
    ]
