"""What goes wrong, with the blocking client and with the asynchronous one, and streams that are left: reported in JSON.

failures.py URL KEY
"""

import asyncio
import json
import sys

import anthropic

URL, KEY = sys.argv[1:]
HELLO = {"max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]}
LONG = {"model": "slow/echo", "max_tokens": 2000, "messages": [{"role": "user", "content": "long " * 1000}]}
ASKED = {
    "unknown model": {"model": "no-such-model"},
    "bad parameter": {"model": "echo", "max_tokens": 0},
    "hosted tool": {"model": "echo", "tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    "overloaded": {"model": "overloaded"},
    "away": {"model": "away/echo"},
}


def client(key=KEY, **options):
    return anthropic.Anthropic(base_url=URL, api_key=key, **{"max_retries": 0, **options})


def told(error):
    found = error.body["error"] if isinstance(error.body, dict) else {}
    return {
        "class": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "type": found.get("type"),
        "message": found.get("message", ""),
        "named": bool(getattr(error, "request_id", None)),
    }


def blocking(opened, **asked):
    try:
        opened.messages.create(**{**HELLO, **asked})
    except anthropic.APIError as error:
        return told(error)


async def asynchronous(opened, **asked):
    try:
        async with opened.messages.stream(**{**HELLO, **asked}) as stream:
            async for _ in stream.text_stream:
                pass
    except anthropic.APIError as error:
        return told(error)


def broken(opened):
    texts = []
    try:
        with opened.messages.stream(model="breaking/echo", **HELLO) as stream:
            texts.extend(stream.text_stream)
    except anthropic.APIError as error:
        return {"text": "".join(texts), **told(error)}
    return {"text": "".join(texts), "class": "taken as a success"}


def left(opened):
    """Leaves a stream after its first text."""
    with opened.messages.stream(**LONG) as stream:
        return next(iter(stream.text_stream))


async def main():
    opened = client()
    async with anthropic.AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=0) as other:
        streamed = {name: await asynchronous(other, **asked) for name, asked in ASKED.items()}
    facts = {
        "whole": {name: blocking(opened, **asked) for name, asked in ASKED.items()},
        "streamed": streamed,
        "wrong key": blocking(client("wrong"), model="echo"),
        "broken": broken(opened),
        "left": left(opened),
        "retried": blocking(client(max_retries=1), model="overloaded"),
    }
    print(json.dumps(facts))


asyncio.run(main())
