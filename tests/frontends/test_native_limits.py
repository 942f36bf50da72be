"""Each limit of a request, just below, at and just above it; and every wrong field named at once."""

from __future__ import annotations

import grpc
import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.delivery import Delivery
from dragoman_service.errors import MAX_VIOLATIONS
from dragoman_service.timing.off_loop import INLINE, OffLoop
from dragoman_service.validation import check_request, limits


def request(**config: object) -> v1.CompletionRequest:
    made = v1.CompletionRequest(model="echo", generation_config=v1.GenerationConfig(**config))
    made.messages.add(role=v1.ROLE_USER).parts.add(text="hi")
    return made


def wrong_fields(made: v1.CompletionRequest) -> list[str]:
    try:
        check_request(made)
    except CompletionError as error:
        return [violation.field for violation in error.fields]
    return []


def with_messages(count: int) -> v1.CompletionRequest:
    made = v1.CompletionRequest(model="echo")
    for _ in range(count):
        made.messages.add(role=v1.ROLE_USER).parts.add(text="hi")
    return made


def with_parts(count: int) -> v1.CompletionRequest:
    made = request()
    del made.messages[0].parts[:]
    for _ in range(count):
        made.messages[0].parts.add(text="hi")
    return made


def with_labels(count: int) -> v1.CompletionRequest:
    made = request()
    for number in range(count):
        made.labels[f"key-{number}"] = "v"
    return made


def with_label_value(size: int) -> v1.CompletionRequest:
    made = request()
    made.labels["key"] = "v" * size
    return made


def with_schema(size: int) -> v1.CompletionRequest:
    text = '{"type":"object"}'
    schema = v1.JsonSchema(schema_json=text + " " * (size - len(text)))
    return request(response_format=v1.ResponseFormat(json_schema=schema))


def with_grammar(size: int) -> v1.CompletionRequest:
    return request(response_format=v1.ResponseFormat(grammar="x" * size))


def with_stop(size: int) -> v1.CompletionRequest:
    return request(stop_sequences=["x" * size])


def with_tools(count: int) -> v1.CompletionRequest:
    made = request()
    for number in range(count):
        made.tools.add().function.name = f"tool-{number}"
    return made


def with_tool(**function: object) -> v1.CompletionRequest:
    made = request()
    made.tools.add().function.MergeFrom(v1.FunctionTool(**{"name": "weather", **function}))
    return made


def with_parameters(size: int) -> v1.CompletionRequest:
    text = '{"type":"object"}'
    return with_tool(parameters_json_schema=text + " " * (size - len(text)))


def with_author(size: int) -> v1.CompletionRequest:
    made = request()
    made.messages[0].author = "x" * size
    return made


def with_prompt(size: int) -> v1.CompletionRequest:
    return v1.CompletionRequest(model="echo", prompt="x" * size)


def with_fields(**fields) -> v1.CompletionRequest:
    made = request()
    made.MergeFrom(v1.CompletionRequest(**fields))
    return made


def block(category: object) -> v1.SafetySetting:
    return v1.SafetySetting(category=str(category), block_at=v1.SAFETY_THRESHOLD_LOW)


def with_parts_in_all(count: int) -> v1.CompletionRequest:
    made = request()
    del made.messages[:]
    for first in range(0, count, limits.PARTS):
        parts = [v1.Part(text="x")] * min(limits.PARTS, count - first)
        made.messages.add(role=v1.ROLE_USER, parts=parts)
    return made


COUNTS = [
    (with_parts_in_all, limits.ALL_PARTS, "messages"),
    (with_messages, limits.MESSAGES, "messages"),
    (with_parts, limits.PARTS, "messages[0].parts"),
    (with_labels, limits.LABELS, "labels"),
    (lambda size: with_fields(routing=v1.RoutingOptions(session="s" * size)), limits.SESSION, "routing.session"),
    (lambda count: with_fields(routing=v1.RoutingOptions(only=["*"] * count)), limits.ONLY, "routing.only"),
    (with_label_value, limits.LABEL_VALUE, "labels['key']"),
    (with_schema, limits.SCHEMA, "generation_config.response_format.json_schema.schema_json"),
    (with_grammar, limits.SCHEMA, "generation_config.response_format.grammar"),
    (with_stop, limits.STOP_SEQUENCE, "generation_config.stop_sequences[0]"),
    (with_author, limits.AUTHOR, "messages[0].author"),
    (with_prompt, limits.PROMPT, "prompt"),
    (lambda n: with_fields(end_user="x" * n), limits.END_USER, "end_user"),
    (lambda n: with_fields(safety_settings=map(block, range(n))), limits.SAFETY_SETTINGS, "safety_settings"),
    (lambda n: with_fields(safety_settings=[block("x" * n)]), limits.SAFETY_CATEGORY, "safety_settings[0].category"),
    (with_tools, limits.TOOLS, "tools"),
    (lambda n: with_tool(name="x" * n), limits.TOOL_NAME, "tools[0].function.name"),
    (lambda n: with_tool(description="x" * n), limits.TOOL_DESCRIPTION, "tools[0].function.description"),
    (with_parameters, limits.SCHEMA, "tools[0].function.parameters_json_schema"),
    (lambda n: with_fields(request_id="x" * n), limits.REQUEST_ID, "request_id"),
    (lambda n: request(stop_sequences=["x"] * n), limits.STOP_SEQUENCES, "generation_config.stop_sequences"),
    (lambda n: request(choice_count=n), limits.CHOICES, "generation_config.choice_count"),
    (lambda n: request(max_output_tokens=n), limits.OUTPUT_TOKENS, "generation_config.max_output_tokens"),
    (lambda n: request(top_k=n), limits.TOP_K, "generation_config.top_k"),
    (
        lambda n: request(include_logprobs=True, top_logprobs=n),
        limits.TOP_LOGPROBS,
        "generation_config.top_logprobs",
    ),
]


@pytest.mark.parametrize(("make", "limit", "field"), COUNTS, ids=[field for _, _, field in COUNTS])
def test_a_limit_holds_exactly(make, limit, field):
    below, at, above = (wrong_fields(make(number)) for number in (limit - 1, limit, limit + 1))

    assert (below, at, above) == ([], [], [field])


def test_no_more_wrong_fields_are_collected_than_a_status_can_name():
    made = request()
    for _ in range(1000):
        made.messages.add()
    with pytest.raises(CompletionError) as caught:
        check_request(made)

    assert len(caught.value.fields) == MAX_VIOLATIONS


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("temperature", (0, 1, 2), (-0.01, 2.01, 9, float("nan"), float("inf"))),
        ("top_p", (0, 1), (1.01, -0.01)),
        ("min_p", (0, 1), (-0.1, 1.1)),
        ("presence_penalty", (-2, 2), (-2.1, 2.1)),
        ("frequency_penalty", (-2, 2), (-2.1, 2.1)),
        ("repetition_penalty", (0.1, 2), (0, 2.1)),
        ("max_output_tokens", (1,), (0, -1)),
        ("top_k", (1,), (0, -1)),
        ("choice_count", (1,), (0, -1)),
        ("seed", (-(2**63), 2**63 - 1), ()),
    ],
)
def test_a_number_is_taken_only_in_its_range(field, good, bad):
    taken = [wrong_fields(request(**{field: value})) for value in good]
    refused = [wrong_fields(request(**{field: value})) for value in bad]

    assert taken == [[]] * len(good)
    assert refused == [[f"generation_config.{field}"]] * len(bad)


@pytest.mark.parametrize("text", ["with space", "tab\t", "new\nline", "ümlaut", "\x7f"])
def test_a_request_id_is_visible_ascii(text):
    assert wrong_fields(with_fields(request_id="!" + "~" * 127)) == []
    assert wrong_fields(with_fields(request_id=text)) == ["request_id"]


def test_an_unknown_disconnect_policy_is_refused():
    made = request()
    made.disconnect_policy = 9

    assert wrong_fields(made) == ["disconnect_policy"]


def test_every_wrong_field_is_named_at_once():
    made = v1.CompletionRequest(generation_config=v1.GenerationConfig(temperature=9, stop_sequences=["x"] * 10_000))
    made.messages.add(role=99)
    made.messages.add(role=v1.ROLE_USER).parts.add()
    made.messages.add(role=v1.ROLE_USER).parts.add(refusal="no")
    made.unsupported_field_policy = 9
    made.labels["k" * 65] = "v"
    made.extensions["x"] = "{"

    assert wrong_fields(made) == [
        "model",
        "unsupported_field_policy",
        "messages[0].role",
        "messages[0].parts",
        "messages[1].parts[0]",
        "messages[2].parts[0].refusal",
        "generation_config.temperature",
        "generation_config.stop_sequences",
        f"labels['{'k' * 63}']",
        "extensions['x']",
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"a": }', "[" * 60_000])
def test_a_schema_has_to_be_a_json_object(text):
    made = request(response_format=v1.ResponseFormat(json_schema=v1.JsonSchema(schema_json=text)))

    assert wrong_fields(made) == ["generation_config.response_format.json_schema.schema_json"]


async def test_bad_input_gets_its_documented_status_and_the_server_goes_on(channel, stub, prompt, refused):
    raw = channel.unary_unary("/dragoman.v1.CompletionService/CreateCompletion")
    garbage = await refused(raw(b"\xff\xff\xff\xff"))
    bad_text = await refused(raw(b"\x0a\x02\xff\xfe"))
    empty = await refused(raw(b""))
    unknown_fields_only = await refused(raw(b"\xfa\x3f\x01x"))
    large = await refused(raw(b"\x00" * 12_000_000))
    larger = await refused(raw(b"\x00" * 20_000_000))
    unknown = await refused(stub.CreateCompletion(prompt(model="gpt-17")))
    no_method = await refused(channel.unary_unary("/dragoman.v1.CompletionService/Nope")(b""))
    fine = await stub.CreateCompletion(prompt("still here"))

    for refusal in (garbage, bad_text):
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    for refusal in (empty, unknown_fields_only):
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
        assert refusal.fields == ["model", "messages"]
    assert (large.code, large.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")
    assert larger.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (unknown.code, unknown.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
    assert no_method.code is grpc.StatusCode.UNIMPLEMENTED
    assert fine.choices[0].message.parts[0].text == "still here"


def test_of_far_too_many_only_their_number_is_told():
    many = request()
    for number in range(limits.LABELS + 1):
        many.labels[f"NO {number}"] = "v"

    assert wrong_fields(many) == ["labels"]


class Noting(OffLoop):
    """Notes the sizes of what it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    async def run(self, size, function, *args, **kwargs):
        self.sizes.append(size)
        return await super().run(size, function, *args, **kwargs)


async def test_a_large_request_is_validated_beside_the_loop(start_service):
    service, noting = await start_service({"echo": {}}), Noting()
    delivery, call = Delivery(service.engine, service.operations, off_loop=noting), service.engine.call("me")
    small, large, wrong = with_tool(), with_prompt(INLINE), with_prompt(limits.PROMPT + 1)
    for each in (small, large):
        each.generation_config.max_output_tokens = 1
        await delivery.complete(each, call)
    with pytest.raises(CompletionError) as caught:
        await delivery.complete(wrong, call)

    assert noting.sizes == [large.ByteSize(), wrong.ByteSize()]
    assert [field.field for field in caught.value.fields] == ["prompt"]


async def test_deliveries_with_other_policies_share_the_thread(start_service):
    service, noting = await start_service({"echo": {}}), Noting()
    delivery = Delivery(service.engine, service.operations, off_loop=noting)
    large = with_prompt(INLINE)
    large.generation_config.max_output_tokens = 1
    await delivery.with_policy(v1.UNSUPPORTED_FIELD_POLICY_WARN).complete(large, service.engine.call("me"))

    assert noting.sizes == [large.ByteSize()]
    assert large.unsupported_field_policy == v1.UNSUPPORTED_FIELD_POLICY_WARN
