"""What programs for Anthropic do, with the blocking client and with the asynchronous one: reported in JSON.

messages.py URL KEY
"""

import asyncio
import json
import sys

from anthropic import Anthropic, AsyncAnthropic, beta_tool

URL, KEY = sys.argv[1:]
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
PRECISE = {"model": "claude-opus-5", "max_tokens": 24, "messages": QUESTION, "extra_body": {"temperature": 0}}
TOOL = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
THINKING = {"type": "enabled", "budget_tokens": 1024}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
client = Anthropic(base_url=URL, api_key=KEY)


def told(message):
    usage = message.usage
    return {
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "blocks": [block.type for block in message.content],
        "reason": message.stop_reason,
        "stop": message.stop_sequence,
        "usage": [usage.input_tokens + usage.cache_read_input_tokens, usage.output_tokens],
        "cached": usage.cache_read_input_tokens,
        "model": message.model,
        "id": message.id,
    }


def helped(**asked):
    """With the helper, which builds the message that it ends with."""
    with client.messages.stream(**asked) as stream:
        texts = list(stream.text_stream)
        return texts, told(stream.get_final_message())


def raw(**asked):
    """The events as they come."""
    return [event.type for event in client.messages.create(stream=True, **asked)]


def thoughts():
    asked = {"model": "thinker", "max_tokens": 2048, "messages": QUESTION}
    whole = client.messages.create(thinking=THINKING, **asked)
    with client.messages.stream(thinking=THINKING, **asked) as stream:
        list(stream)
        final = stream.get_final_message()
    return {
        "whole": [whole.content[0].thinking, whole.content[0].signature],
        "streamed": [final.content[0].thinking, final.content[0].signature],
        "unasked": [block.type for block in client.messages.create(**asked).content],
        "cached": told(whole)["cached"],
    }


def called_by_hand():
    """A call, whose answer goes back as it came together with the result."""
    asked = {"model": "weather", "max_tokens": 2048, "tools": [TOOL], "thinking": THINKING}
    first = client.messages.create(messages=QUESTION, **asked)
    with client.messages.stream(messages=QUESTION, **asked) as stream:
        list(stream)
        same = stream.get_final_message()
    use = next(block for block in first.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "snow"}]}
    turns = [*QUESTION, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = client.messages.create(messages=turns, **asked)
    streamed = next(block for block in same.content if block.type == "tool_use")
    return {
        "calls": [[block.name, block.input] for block in (use, streamed)],
        "reasons": [first.stop_reason, same.stop_reason, second.stop_reason],
        "text": told(second)["text"],
    }


@beta_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"snow in {city}"


def called_by_the_runner():
    """The client calls the function itself. Newer ones ask for a thread first."""
    runner = client.beta.messages.tool_runner(model="weather", max_tokens=2048, tools=[weather], messages=QUESTION)
    return [message.stop_reason for message in runner]


def structured():
    asked = {
        **PRECISE,
        "max_tokens": 40,
        "extra_body": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    }
    return json.loads(told(client.messages.create(**asked))["text"])


def seen():
    content = [PNG, {"type": "text", "text": "Look!", "cache_control": {"type": "ephemeral"}}]
    return told(client.messages.create(model="echo", max_tokens=64, messages=[{"role": "user", "content": content}]))[
        "text"
    ]


def listed():
    names = [model.id for model in client.models.list(limit=2)]
    counted = client.messages.count_tokens(model="echo", messages=[{"role": "user", "content": "three more words"}])
    return {"models": names, "model": client.models.retrieve("weather/echo").id, "tokens": counted.input_tokens}


async def asynchronous():
    async with AsyncAnthropic(base_url=URL, auth_token=KEY, api_key=None) as opened:
        whole = told(await opened.messages.create(model="echo", max_tokens=64, messages=QUESTION))
        async with opened.messages.stream(model="echo", max_tokens=64, messages=QUESTION) as stream:
            texts = [text async for text in stream.text_stream]
    return {"whole": whole["text"], "streamed": texts}


def main():
    texts, final = helped(**PRECISE)
    raw_response = client.messages.with_raw_response.create(**PRECISE)
    facts = {
        "whole": told(client.messages.create(**PRECISE)),
        "streamed": texts,
        "final": final,
        "raw": raw(**PRECISE),
        "request_id": [raw_response.headers["request-id"], raw_response.parse()._request_id],
        "stopped": told(
            client.messages.create(model="echo", max_tokens=64, messages=QUESTION, stop_sequences=["capital"])
        ),
        "thoughts": thoughts(),
        "by_hand": called_by_hand(),
        "by_the_runner": called_by_the_runner(),
        "structured": structured(),
        "seen": seen(),
        "listed": listed(),
        "asynchronous": asyncio.run(asynchronous()),
    }
    print(json.dumps(facts))


main()
