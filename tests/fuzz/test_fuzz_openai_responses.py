"""OpenAI's Responses API with damaged JSON: a request is decoded or refused, and what was decoded can be shown."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import orjson
import trees
from dragoman import v1
from dragoman_service.dialects.openai.responses.ids import response_of
from dragoman_service.dialects.openai.responses.reading.request import decode_request
from dragoman_service.dialects.openai.responses.states import AFTER, EMPTY, KEYS, encode_keys, encode_state
from dragoman_service.dialects.openai.responses.writing.listing import encode_items
from dragoman_service.dialects.openai.responses.writing.response import encode_response
from dragoman_service.validation import violations
from test_fuzz_gemini import outcome
from values import cases

IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,YQ==", "detail": "high"}
FILE = {"type": "input_file", "file_data": "YQ==", "filename": "a.pdf"}
REQUEST: dict[str, Any] = {
    "model": "m",
    "stream": True,
    "instructions": "be brief",
    "background": True,
    "store": True,
    "previous_response_id": "resp_1",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "one"}, IMAGE, FILE]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "a"}], "encrypted_content": "x"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "two"}]},
        *(
            {"type": "reasoning", "summary": [], "encrypted_content": encrypted}
            for encrypted in (encode_state(b"s", AFTER), encode_state(b"s", EMPTY), encode_state(b"[1", KEYS))
        ),
        {"type": "reasoning", "summary": [], "encrypted_content": encode_keys({"k": "1"})},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [IMAGE, {"type": "input_text", "text": "b"}]},
        {"type": "item_reference", "id": "msg_1_0"},
    ],
    "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}],
    "tool_choice": {"type": "function", "name": "f"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}, "verbosity": "low"},
    "reasoning": {"effort": "high", "summary": "auto"},
    "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
    "max_output_tokens": 9,
    "temperature": 0.5,
    "top_logprobs": 2,
    "metadata": {"a": "b"},
    "truncation": "disabled",
    "prompt_cache_key": "k",
}


def test_a_damaged_request_is_decoded_and_shown_again_or_refused() -> None:
    reasons = Counter[str]()
    for chance in cases("request", 500):
        decoded, reason = outcome(partial(decode_request, trees.mutated(chance, REQUEST)))
        reasons[reason] += 1
        if decoded is not None:
            list(violations(decoded.request))
            assert v1.CompletionRequest.FromString(decoded.request.SerializeToString()) == decoded.request
            items = encode_items(decoded, "resp_1")
            answers = [message for message in decoded.request.messages if message.role == v1.ROLE_ASSISTANT]
            shown = encode_response(v1.Completion(choices=[v1.Choice(message=one) for one in answers[:1]]), decoded)

            assert orjson.dumps([items, shown])
            assert all(response_of(item["id"]) == "resp_1" for item in items)

    assert reasons.keys() == {"", "INVALID_FIELD", "MALFORMED_REQUEST"}
    assert reasons[""] > 50
