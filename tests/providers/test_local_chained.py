"""The embedded model behind another service answers as it does without one. The laws are proven with `echo`."""

from __future__ import annotations

from chained import answers, behind
from dragoman import v1
from dragoman_service.providers.local.provider import LocalProvider
from dragoman_service.testing import serving
from local_asking import request


async def test_the_embedded_model_answers_the_same_behind_another_service(local: LocalProvider) -> None:
    ways = {"temperature": 0, "seed": 7, "max_output_tokens": 4}
    requests = {
        "text": request("user: Count from one to twenty.", **ways),
        "conversation": request("system: Be brief.", "user: Hi", "assistant: Hello", "user: Who are you?", **ways),
        "sampled": request("user: Name a colour.", **ways | {"temperature": 0.7, "top_p": 0.9, "top_k": 20}),
        "choices": request("user: Name a colour.", **ways, choice_count=2, include_logprobs=True, top_logprobs=2),
        "stopped": request("user: Count from one to twenty.", **ways, stop_sequences=["2"]),
        "form": request("user: A colour, as JSON.", **ways, response_format={"json_object": {}}),
        "prompt": v1.CompletionRequest(prompt="One, two, three,", generation_config=v1.GenerationConfig(**ways)),
    }
    async with behind(local) as (provider, inner), serving({"outer": provider}) as outer:
        (model,) = inner.running.engine.models("anonymous")
        if "tools" in model.supported_fields:
            tool = v1.FunctionTool(name="weather", parameters_json_schema='{"type":"object"}')
            requests["tools"] = request("user: What is the weather?", **ways)
            requests["tools"].tools.add(function=tool)
        for name, asked in requests.items():
            direct, whole, streamed = await answers(outer, inner, asked)

            assert whole == direct, name
            assert streamed == direct, name
