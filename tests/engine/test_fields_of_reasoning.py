"""Reasoning, files and hints: what becomes of them with a model that does not support them."""

import pytest
from dragoman import v1
from dragoman_service.catalogue.fields import fit_fields
from dragoman_service.contract import CompletionError

MODEL = v1.Model(name="acme/tiny", supported_fields=["generation_config.temperature"])


def request_of(*parts, policy=v1.UNSUPPORTED_FIELD_POLICY_UNSPECIFIED, **config):
    message = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hello"), *parts])
    return v1.CompletionRequest(
        messages=[message], unsupported_field_policy=policy, generation_config=v1.GenerationConfig(**config)
    )


def test_reasoning_that_is_only_to_be_shown_or_hidden_demands_nothing():
    hidden = v1.ReasoningConfig(visibility=v1.REASONING_VISIBILITY_HIDDEN)
    fitted, warnings = fit_fields(request_of(reasoning=hidden), MODEL)

    assert not fitted.generation_config.HasField("reasoning")
    assert not warnings


@pytest.mark.parametrize(
    ("budget", "effort"),
    [
        (0, v1.REASONING_EFFORT_NONE),
        (1, v1.REASONING_EFFORT_LOW),
        (1024, v1.REASONING_EFFORT_LOW),
        (1025, v1.REASONING_EFFORT_MEDIUM),
        (8192, v1.REASONING_EFFORT_MEDIUM),
        (8193, v1.REASONING_EFFORT_HIGH),
    ],
)
def test_a_model_that_knows_only_amounts_gets_the_closest_one(budget, effort):
    wanted = request_of(reasoning=v1.ReasoningConfig(budget_tokens=budget))
    amounts = v1.Model(supported_fields=["generation_config.reasoning"])
    numbers = v1.Model(supported_fields=[*amounts.supported_fields, "generation_config.reasoning.budget_tokens"])

    assert fit_fields(wanted, amounts)[0].generation_config.reasoning == v1.ReasoningConfig(effort=effort)
    assert fit_fields(wanted, numbers)[0].generation_config == wanted.generation_config


@pytest.mark.parametrize("part", [v1.Part(blob=v1.Blob(data=b"i")), v1.Part(file=v1.File(id="f"))])
def test_an_image_is_never_left_out_because_the_answer_would_be_about_something_else(part):
    with pytest.raises(CompletionError) as caught:
        fit_fields(request_of(part, policy=v1.UNSUPPORTED_FIELD_POLICY_WARN), MODEL)

    assert [wrong.field for wrong in caught.value.fields] == [f"messages.{part.WhichOneof('content')}"]


def test_a_hint_about_caches_demands_nothing():
    part = v1.Part(text="Long", cache_hint=v1.CacheHint())

    assert fit_fields(request_of(part), MODEL)[0].messages[0].parts[1] == part
