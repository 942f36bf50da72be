"""From the name of a model to its provider, for callers who may use it."""

import pytest
from dragoman import text_of
from dragoman_service.contract import CompletionError
from dragoman_service.providers.echo.provider import Echo
from dragoman_service.testing import Scripted, choice_finished, delta
from engine_calls import answer, engine_of, error_of, model, request_of
from google.rpc import code_pb2


@pytest.mark.parametrize("name", ["echo/echo", "echo"])
async def test_a_model_has_its_full_name_and_its_alias(name):
    completion = await answer(engine_of(), request_of(name), call_id="7")

    assert text_of(completion) == "one two three"
    assert (completion.requested_model, completion.served_model, completion.provider) == (name, "echo", "echo")
    assert completion.name == "completions/7"
    assert 0 < completion.create_time.ToNanoseconds() <= completion.finish_time.ToNanoseconds()


async def test_a_provider_is_called_with_its_own_name_of_the_model():
    provider = Scripted(choice_finished(), model=model("org/tiny", "tiny"))
    await answer(engine_of({"acme": provider}), request_of("tiny"))

    assert provider.requests[0].model == "org/tiny"


async def test_the_first_provider_to_claim_an_alias_keeps_it_and_full_names_win():
    first = Scripted(delta("first"), choice_finished(), model=model("m", "best", "b/m"))
    second = Scripted(delta("second"), choice_finished(), model=model("m", "best"))
    engine = engine_of({"a": first, "b": second})

    assert [list(one.aliases) for one in engine.models("me")] == [["best", "b/m"], []], "an alias is shown once"
    assert text_of(await answer(engine, request_of("best"))) == "first"
    assert text_of(await answer(engine, request_of("b/m"))) == "second"


async def test_a_model_that_appears_later_is_found():
    provider = Scripted(delta("x"), choice_finished(), model=model("old"))
    engine = engine_of({"p": provider})
    provider.model = model("new", "newer")

    assert text_of(await answer(engine, request_of("newer"))) == "x"
    assert (await error_of(answer(engine, request_of("p/old")))).reason_name == "MODEL_NOT_FOUND"


async def test_an_unknown_model_is_not_found_and_the_error_shows_those_that_exist():
    error = await error_of(answer(engine_of(), request_of("gpt")))

    assert (error.code, error.reason_name, error.resource) == (code_pb2.NOT_FOUND, "MODEL_NOT_FOUND", "models/gpt")
    assert "'gpt'" in error.message
    assert "echo/echo" in error.message


async def test_a_very_long_name_is_cut_in_the_error():
    error = await error_of(answer(engine_of(), request_of("x" * 100_000)))

    assert len(error.message) < 300
    assert len(error.resource) < 300


async def test_a_model_of_a_provider_that_could_not_be_opened_is_unavailable():
    engine = engine_of(unreachable={"acme": "ValueError: key sk-123 is wrong"})
    error = await error_of(answer(engine, request_of("acme/tiny")))

    assert (error.code, error.reason_name) == (code_pb2.UNAVAILABLE, "NO_PROVIDER_AVAILABLE")
    assert error.metadata == {"provider": "acme"}
    assert "sk-123" not in error.message


class Unlisted(Scripted):
    """Cannot list its models any more."""

    broken = False

    def models(self):
        if self.broken:
            raise ValueError("no models today")
        return super().models()


async def test_a_provider_that_cannot_list_its_models_harms_no_other():
    broken = Unlisted(choice_finished())
    engine = engine_of({"p": broken, "echo": Echo()})
    broken.broken = True

    assert [found.name for found in engine.models("me")] == ["echo/echo"]
    assert text_of(await answer(engine, request_of("echo"))) == "one two three"
    assert (await error_of(answer(engine, request_of("p/unseen")))).reason_name == "NO_PROVIDER_AVAILABLE"
    broken.broken = False
    assert [found.name for found in engine.models("me")] == ["echo/echo", "p/scripted"]


# Who may use what


async def test_a_caller_sees_and_uses_only_what_its_key_allows():
    providers = {"p": Scripted(choice_finished(), model=model("big", "flagship")), "echo": Echo()}
    engine = engine_of(providers, allowed={"team": ["ec*"], "boss": ["flagship"]})

    assert [found.name for found in engine.models("team")] == ["echo/echo"]
    assert [found.name for found in engine.models("boss")] == ["p/big"]
    assert len(engine.models("somebody")) == 2
    with pytest.raises(CompletionError) as caught:
        engine.resolve("flagship", "team")
    assert (caught.value.code, caught.value.reason_name) == (code_pb2.PERMISSION_DENIED, "MODEL_NOT_ALLOWED")


async def test_the_error_for_an_unknown_model_names_only_models_that_the_caller_may_use():
    providers = {"p": Scripted(model=model("secret")), "echo": Echo()}
    with pytest.raises(CompletionError) as caught:
        engine_of(providers, allowed={"team": ["echo"]}).resolve("x", "team")

    assert "echo/echo" in caught.value.message
    assert "secret" not in caught.value.message
