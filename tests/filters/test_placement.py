"""Where a filter applies: everywhere, under a name in the settings, or at a provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from dragoman import v1
from dragoman_service.catalogue.aliases import Aliases
from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.contract import Call, Complete, CompletionError, Filter
from dragoman_service.engine.engine import Engine
from dragoman_service.engine.filtering import Filters
from dragoman_service.plugins.filters import prepare_filters
from dragoman_service.settings.settings import Settings, SettingsError, load
from dragoman_service.testing import Scripted, choice_finished, delta

ALIASES = Aliases({"small": ("p/scripted",), "small-*": ("p/scripted",), "other": ("q/scripted",)})


def marking(mark: str) -> Filter:
    """Puts a mark before the answer. The first mark is that of the outermost filter."""

    def wrap(complete: Complete) -> Complete:
        async def marked(request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
            async with aclosing(complete(request, call)) as events:
                async for event in events:
                    yield event
                    if event.HasField("started"):
                        yield delta(mark)

        return marked

    return wrap


def honouring(wrap: Filter) -> Filter:
    wrap.honours = ("safety_settings.x", "nothing we know")
    return wrap


def engine_of(filters: Filters) -> Engine:
    providers = {name: Scripted(delta("."), choice_finished()) for name in "pq"}
    return Engine(Catalogue(providers, {}, ALIASES), filters)


async def answer(engine: Engine, model: str, **fields: object) -> str:
    request = v1.CompletionRequest(model=model, **fields)
    async with engine.relay(request, engine.call("me")) as relay:
        completion = await relay.completion()
    return completion.choices[0].message.parts[0].text


PLACED = Filters.placed(
    {name: marking(name) for name in "abcd"}, {"small": ["b"], "small-*": ["b", "c"]}, {"p": ["c", "d"]}
)


@pytest.mark.parametrize(
    ("model", "marks"),
    [("small", "abcd."), ("small-1", "abcd."), ("p/scripted", "acd."), ("other", "a."), ("q/scripted", "a.")],
)
async def test_a_filter_applies_where_it_is_named_and_otherwise_everywhere(model: str, marks: str) -> None:
    assert await answer(engine_of(PLACED), model) == marks


async def test_a_placed_filter_wraps_once_for_all_calls() -> None:
    wraps: list[Complete] = []

    def counting(complete: Complete) -> Complete:
        wraps.append(complete)
        return complete

    engine = engine_of(Filters.placed({"a": counting}, {}, {"p": ["a"]}))
    before = len(wraps)
    for _ in range(3):
        await answer(engine, "p/scripted")

    assert before == len(wraps) == 1


async def test_a_filter_that_honours_safety_settings_makes_the_model_support_them() -> None:
    filters = Filters.placed({"a": honouring(marking("a"))}, {}, {"p": ["a"]})
    engine = engine_of(filters)
    settings = [v1.SafetySetting(category="x", block_at=v1.SAFETY_THRESHOLD_LOW)]
    with pytest.raises(CompletionError) as caught:
        await answer(engine, "q/scripted", safety_settings=settings)

    assert await answer(engine, "small", safety_settings=settings) == "a."
    assert [violation.field for violation in caught.value.fields] == ["safety_settings.x"]
    assert {model.name: list(model.supported_fields) for model in engine.models("me")} == {
        "p/scripted": ["safety_settings.x"],
        "q/scripted": [],
    }


async def test_a_setting_that_nobody_honours_is_left_out_with_a_warning_unless_it_blocks_nothing() -> None:
    provider = Scripted(delta("."), choice_finished())
    engine = Engine(Catalogue({"p": provider}, {}), Filters([honouring(marking("a"))]))
    thresholds = {"x": v1.SAFETY_THRESHOLD_HIGH, "y": v1.SAFETY_THRESHOLD_LOW, "z": v1.SAFETY_THRESHOLD_NONE}
    request = v1.CompletionRequest(
        model="p/scripted",
        messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="x")])],
        safety_settings=[v1.SafetySetting(category=name, block_at=value) for name, value in thresholds.items()],
        unsupported_field_policy=v1.UNSUPPORTED_FIELD_POLICY_WARN,
    )
    async with engine.relay(request, engine.call("me")) as relay:
        completion = await relay.completion()

    assert [warning.field for warning in completion.warnings] == ["safety_settings.y"]
    assert not provider.requests[0].safety_settings


async def test_a_provider_gets_the_settings_that_it_honours() -> None:
    model = v1.Model(
        provider_model="scripted", availability=v1.AVAILABILITY_READY, supported_fields=["safety_settings.x"]
    )
    provider = Scripted(delta("."), choice_finished(), model=model)
    thresholds = {"x": v1.SAFETY_THRESHOLD_NONE, "z": v1.SAFETY_THRESHOLD_NONE}
    settings = [v1.SafetySetting(category=name, block_at=value) for name, value in thresholds.items()]
    await answer(Engine(Catalogue({"p": provider}, {})), "p/scripted", safety_settings=settings)

    assert [setting.category for setting in provider.requests[0].safety_settings] == ["x"]


async def test_a_provider_without_safety_settings_gets_none() -> None:
    provider = Scripted(delta("."), choice_finished())
    filters = Filters([honouring(marking("a"))])
    settings = [v1.SafetySetting(category="x", block_at=v1.SAFETY_THRESHOLD_LOW)]
    await answer(Engine(Catalogue({"p": provider}, {}), filters), "p/scripted", safety_settings=settings)

    assert not provider.requests[0].safety_settings


async def test_ratings_name_their_provider_unless_they_name_a_source() -> None:
    ratings = [v1.SafetyRating(category="x"), v1.SafetyRating(category="y", source="own")]
    report = v1.SafetyReport(choice_index=0, assessment=v1.SafetyAssessment(ratings=ratings))
    provider = Scripted(delta("."), v1.CompletionEvent(safety=report), choice_finished())
    engine = Engine(Catalogue({"p": provider}, {}))
    async with engine.relay(v1.CompletionRequest(model="p/scripted"), engine.call("me")) as relay:
        completion = await relay.completion()

    assert [rating.source for rating in completion.choices[0].safety.ratings] == ["p", "own"]
    assert not report.assessment.ratings[0].source, "what the provider yielded is not changed"


def test_a_name_that_no_table_defines_is_a_mistake() -> None:
    settings = Settings.model_validate(
        {
            "providers": {"echo": {"filters": ["nowhere"]}},
            "models": {"small": {"targets": ["echo/echo"], "filters": ["elsewhere"]}},
        }
    )
    mistakes: list = []
    prepare_filters(settings, {}, mistakes)

    assert [mistake.path for mistake in mistakes] == ["models.small.filters.0", "providers.echo.filters.0"]
    assert "Add the table [filters.elsewhere]" in mistakes[0].message


def test_the_filters_of_a_provider_are_a_list_of_names() -> None:
    with pytest.raises(SettingsError, match="should be a list of names of filters"):
        load(overrides={"providers.echo.filters": "safety"})
