"""What common programs for OpenAI send, reduced to the kind of thing each is, in words of our own.

A habit is the body that is sent to `path` (with the name of a model that is put in), the vendor behind the model, and
what the upstream has to receive: `there` and `missing` are compared key by key, `text` has to be somewhere in the body.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

USER = {"role": "user", "content": "Hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "a1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
RESULT = {"role": "tool", "tool_call_id": "a1", "content": "Rain"}


@dataclass(frozen=True, slots=True)
class Habit:
    """One habit. `warned` are names that have to be in the header with warnings, in addition to what is `missing`."""

    body: dict[str, Any]
    vendor: str | None = None
    there: dict[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    text: str = ""
    not_text: str = ""
    warned: tuple[str, ...] = ()


def said(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), **more}


def told(**more: Any) -> dict[str, Any]:
    return said(USER, **more)


def answered(**more: Any) -> dict[str, Any]:
    """A conversation in which an answer comes back with `more` keys."""
    return said(USER, {"role": "assistant", "content": "Hello", **more}, USER)


def called(call: dict[str, Any] = CALL, **more: Any) -> dict[str, Any]:
    """A conversation in which a call and its result come back."""
    return said(USER, {"role": "assistant", "content": "", **more, "tool_calls": [call]}, RESULT, tools=[TOOL])


def sent(*contents: Any) -> dict[str, Any]:
    """What the upstream receives for messages of the user, an answer, and the user."""
    roles = ("user", "assistant", "user")
    return {"messages": [{"role": role, "content": content} for role, content in zip(roles, contents, strict=True)]}


SIGNED = {**CALL, "extra_content": {"google": {"thought_signature": "c2ln"}}}
ANSWERS: dict[str, Habit] = {
    "thoughts to deepseek": Habit(called(reasoning_content="Hm."), "deepseek", text='"reasoning_content": "Hm."'),
    "thoughts to vllm": Habit(called(reasoning_content="Hm."), "vllm", text='"reasoning_content": "Hm."'),
    "thoughts to openrouter": Habit(called(reasoning="Hm."), "openrouter", text='"reasoning": "Hm."'),
    "thoughts to nobody known": Habit(called(reasoning="Hm."), text='"reasoning_content": "Hm."'),
    "thoughts to openai": Habit(
        answered(reasoning_content="Hm."), "openai", sent("Hi", "Hello", "Hi"), warned=("messages.reasoning_content",)
    ),
    "thoughts to mistral": Habit(called(reasoning_content="Hm."), "mistral", not_text="Hm."),
    "thoughts in a part": Habit(
        answered(content=[{"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "text", "text": "Yes"}]),
        text='"reasoning_content": "Hm."',
    ),
    "thoughts in the role of the user": Habit(said({**USER, "reasoning": "Hm."}), not_text="Hm."),
    "a signature of a call": Habit(called(SIGNED), text="c2ln"),
    "a signature of a call to groq": Habit(called(SIGNED), "groq", not_text="c2ln", warned=("messages.extra_content",)),
    "an index of a call": Habit(called({**CALL, "index": 0})),
    "reasoning details": Habit(answered(reasoning_details=[{"type": "x"}]), "openrouter", text="reasoning_details"),
    "calls without ids": Habit(
        said(
            USER,
            {"role": "assistant", "tool_calls": [{**CALL, "id": ""}, {"function": CALL["function"]}]},
            {**RESULT, "tool_call_id": ""},
            {"role": "tool", "content": "Snow"},
            tools=[TOOL],
        ),
        text='"tool_call_id": "call_1_1", "content": "Snow"',
    ),
    "an id of a message": Habit(answered(id="msg_1", type="message", timestamp=5), text="msg_1"),
    "an id of a message to openai": Habit(answered(id="msg_1"), "openai", not_text="msg_1", warned=("messages.id",)),
    "a refusal of null": Habit(answered(refusal=None, annotations=[], audio=None, function_call=None), "openai"),
    "a refusal": Habit(answered(content=None, refusal="No."), "openai", text='"refusal": "No."'),
    "a refusal to groq": Habit(answered(refusal="No."), "groq", not_text="No.", warned=("messages.refusal",)),
    "annotations": Habit(answered(annotations=[{"type": "url_citation"}]), "openai", not_text="url_citation"),
    "no arguments": Habit(called({**CALL, "function": {"name": "weather", "arguments": ""}}), text='"arguments": "{}"'),
    "arguments as an object": Habit(
        called({**CALL, "function": {"name": "weather", "arguments": {"city": "Oslo"}}}),
        text=r"{\"city\":\"Oslo\"}",
    ),
}

EMPTY: dict[str, Habit] = {
    **{
        f"{role} {content!r}": Habit(
            said({"role": role, "content": content}, USER),
            there={"messages": [{"role": role, "content": ""}, USER]},
        )
        for role in ("system", "user", "assistant")
        for content in ("", None, [], [{"type": "text", "text": ""}], [{"type": "text", "text": None}])
    },
    "nobody says anything": Habit(said({"role": "user", "content": ""}), there={"messages": [{**USER, "content": ""}]}),
    "developer": Habit(said({"role": "developer", "content": ""}, USER), "openai"),
    "no content": Habit(said(USER, {"role": "assistant"}, USER), there=sent("Hi", "", "Hi")),
    **{
        f"result {content!r}": Habit(
            said(USER, {"role": "assistant", "tool_calls": [CALL]}, {**RESULT, "content": content}, tools=[TOOL]),
            text='"tool_call_id": "a1", "content": ""',
        )
        for content in ("", None, [], [{"type": "text", "text": ""}])
    },
    "an empty part beside another": Habit(
        said({"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "Hi"}]}),
        there={"messages": [USER]},
    ),
    "two parts": Habit(
        said({"role": "user", "content": [{"type": "text", "text": "Test!"}, {"type": "text", "text": "Now"}]}),
        there={"messages": [{"role": "user", "content": "Test!\nNow"}]},
    ),
}

VALUES: dict[str, Habit] = {
    "a name to groq": Habit(said({**USER, "name": "planner"}), "groq", not_text="planner", warned=("messages.name",)),
    "a name to openai": Habit(said({**USER, "name": "planner"}), "openai", text="planner"),
    "no stop": Habit(told(stop=""), missing=("stop",)),
    "stops": Habit(told(stop=["", "x"]), there={"stop": ["x"]}),
    "top_p of 0": Habit(told(top_p=0, temperature=0), there={"top_p": 0, "temperature": 0}),
    "top_p of 0 to vllm": Habit(told(top_p=0), "vllm", {"top_p": 1e-6}),
    "a large seed": Habit(told(seed=2**40), there={"seed": 2**40}),
    "the largest seed": Habit(told(seed=2**63 - 1), there={"seed": 2**63 - 1}),
    "the smallest seed": Habit(told(seed=-(2**63)), there={"seed": -(2**63)}),
    "a large seed to llama.cpp": Habit(told(seed=2**40 + 5), "llama-cpp", {"seed": 5}),
    "a long description": Habit(
        told(tools=[{**TOOL, "function": {"name": "weather", "description": "d" * 12_000}}]), text="d" * 12_000
    ),
    "metadata": Habit(told(metadata={"executionId": "69d5", "x.y z": "7", "n": 5, "deep": {"a": 1}}), warned=()),
    "metadata that is too long": Habit(told(metadata={"a": "x" * 513, "k" * 65: "v"}), warned=("metadata.a",)),
    **{
        f"effort {effort}": Habit(told(reasoning_effort=effort), there={"reasoning_effort": effort})
        for effort in ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    },
    "effort xhigh to openai": Habit(told(reasoning_effort="xhigh"), "openai", {"reasoning_effort": "xhigh"}),
    "effort max to openai": Habit(
        told(reasoning_effort="max"), "openai", missing=("reasoning_effort",), warned=("reasoning_effort",)
    ),
    "no limit": Habit(told(max_tokens=-1), missing=("max_tokens",)),
    "to be stored": Habit(told(store=True), "openai", missing=("store",), warned=("store",)),
    "not to be stored": Habit(told(store=False), "openai", missing=("store",)),
    **{
        f"bias to {vendor}": Habit(told(logit_bias={"50256": -100}), vendor, {"logit_bias": {"50256": -100}})
        for vendor in (None, "openai", "vllm", "llama-cpp", "openrouter")
    },
    "bias to groq": Habit(told(logit_bias={"5": 1}), "groq", missing=("logit_bias",), warned=("logit_bias",)),
    "functions": Habit(
        told(functions=[TOOL["function"]], function_call="auto"),
        there={"tools": [TOOL], "tool_choice": "auto"},
        missing=("functions", "function_call"),
    ),
    "one function": Habit(
        told(functions=[TOOL["function"]], function_call={"name": "weather"}),
        there={"tool_choice": {"type": "function", "function": {"name": "weather"}}},
    ),
    "the result of a function": Habit(
        said(
            USER,
            {"role": "assistant", "content": None, "function_call": CALL["function"]},
            {"role": "function", "name": "weather", "content": "Rain"},
            functions=[TOOL["function"]],
        ),
        text='{"role": "tool", "tool_call_id": "call_1_0", "content": "Rain"',
    ),
    "no tools to choose from": Habit(told(tools=[], tool_choice="auto", parallel_tool_calls=True), "openai"),
    "a sampler for a vendor that lacks it": Habit(told(top_k=5), "openai", missing=("top_k",), warned=("top_k",)),
    "a sampler for nobody known": Habit(told(top_k=5), there={"top_k": 5}),
    "a tier": Habit(told(service_tier="flex"), "openai", {"service_tier": "flex"}),
}

HINTS: dict[str, Habit] = {
    "a cached part": Habit(
        said({"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}),
        text="ephemeral",
    ),
    "a cached part to groq": Habit(
        said({"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}),
        "groq",
        {"messages": [USER]},
        warned=("messages.cache_control",),
    ),
    "a cached message to openrouter": Habit(said({**USER, "cache_control": {"type": "x"}}), "openrouter", text="cache"),
    "a cached tool": Habit(told(tools=[{**TOOL, "cache_control": {"type": "x"}}]), text="cache_control"),
    "a key of a function": Habit(
        told(tools=[{**TOOL, "function": {**TOOL["function"], "x_hint": 1}}]),
        there={"tools": [{**TOOL, "function": {**TOOL["function"], "x_hint": 1}}]},
    ),
    "a key of a function to groq": Habit(
        told(tools=[{**TOOL, "function": {**TOOL["function"], "x_hint": 1}}]),
        "groq",
        {"tools": [TOOL]},
        warned=("tools.function.x_hint",),
    ),
    "a cached result": Habit(
        said(
            USER,
            {"role": "assistant", "tool_calls": [CALL]},
            {**RESULT, "content": [{"type": "text", "text": "Rain", "cache_control": {"type": "x"}}]},
            tools=[TOOL],
        ),
        text="cache_control",
    ),
    "a cache key": Habit(told(prompt_cache_key="k"), "openai", {"prompt_cache_key": "k"}),
    **{
        f"template to {vendor}": Habit(
            told(chat_template_kwargs={"enable_thinking": False}),
            vendor,
            {"chat_template_kwargs": {"enable_thinking": False}},
        )
        for vendor in ("vllm", "llama-cpp", None)
    },
    "template to openai": Habit(told(chat_template_kwargs={}), "openai", missing=("chat_template_kwargs",)),
    "usage, provider": Habit(
        told(usage={"include": True}, provider={"order": ["x"]}),
        "openrouter",
        {"usage": {"include": True}, "provider": {"order": ["x"]}},
    ),
    "reasoning": Habit(
        told(reasoning={"effort": "high", "exclude": True}),
        "openrouter",
        {"reasoning": {"effort": "high", "exclude": True}},
    ),
    "reasoning's effort": Habit(told(reasoning={"effort": "low"}), "openai", {"reasoning_effort": "low"}),
    "an unknown key": Habit(told(foo={"a": [1]}), there={"foo": {"a": [1]}}),
    "a key of the other form": Habit(
        told(prompt="x", echo=True), missing=("prompt", "echo"), warned=("prompt", "echo")
    ),
    "more keys than anybody counts": Habit(
        told(**{f"k{n}": n for n in range(200)}), there={"k63": 63}, missing=("k64",)
    ),
    "an unknown key to openai": Habit(told(foo=1), "openai", missing=("foo",), warned=("foo",)),
}


def formatted(**wanted: Any) -> dict[str, Any]:
    return told(response_format=wanted)


def schema(**more: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": False} | more}}


SCHEMAS: dict[str, Habit] = {
    "not strict": Habit(
        formatted(type="json_schema", json_schema={"name": "person", "strict": False, "schema": SCHEMA}),
        "openai",
        schema(name="person", schema=SCHEMA),
    ),
    "strict": Habit(
        formatted(type="json_schema", json_schema={"name": "p", "strict": True, "schema": SCHEMA}),
        "openai",
        schema(name="p", strict=True, schema=SCHEMA),
    ),
    "nothing of strict": Habit(
        formatted(type="json_schema", json_schema={"name": "p", "schema": SCHEMA}),
        "openai",
        schema(name="p", schema=SCHEMA),
    ),
    "described": Habit(
        formatted(type="json_schema", json_schema={"name": "p", "description": "A person", "schema": SCHEMA}),
        there=schema(name="p", description="A person", schema=SCHEMA),
    ),
    "beside json_object": Habit(formatted(type="json_object", schema=SCHEMA), "llama-cpp", schema(schema=SCHEMA)),
    "beside the type": Habit(formatted(type="json_schema", schema=SCHEMA), "together", schema(schema=SCHEMA)),
    "without a schema": Habit(
        formatted(type="json_schema", json_schema={"name": "p"}), there={"response_format": {"type": "json_object"}}
    ),
    "a tool that is not strict": Habit(
        told(tools=[{**TOOL, "function": {**TOOL["function"], "strict": False}}]), text='"strict": false'
    ),
}

HABITS = {
    f"{kind}: {name}": habit
    for kind, habits in (
        ("answers", ANSWERS),
        ("empty", EMPTY),
        ("values", VALUES),
        ("hints", HINTS),
        ("schemas", SCHEMAS),
    )
    for name, habit in habits.items()
}
