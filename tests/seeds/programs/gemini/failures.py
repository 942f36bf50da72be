"""What goes wrong, asked of the blocking client and of the asynchronous one: reported in JSON.

failures.py URL KEY [PROJECT]
"""

import asyncio
import json
import sys

from google import genai
from google.genai import errors, types

URL, KEY = sys.argv[1:]
ASKED = {
    "wrong key": {"model": "echo", "key": "wrong"},
    "unknown model": {"model": "no-such-model"},
    "bad parameter": {"model": "echo", "config": {"temperature": -1}},
    "medium": {"model": "echo", "contents": types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")},
    "overloaded": {"model": "overloaded"},
    "away": {"model": "away/echo"},
}
RETRIED = {"attempts": 2, "initial_delay": 0.01, "max_delay": 0.01}


def client(key=KEY, **options):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=URL, **options))


def told(error):
    return {"type": type(error).__name__, "code": error.code, "status": error.status, "message": error.message}


def blocking(key=KEY, contents="Hello", **asked):
    with client(key) as opened:
        try:
            opened.models.generate_content(contents=contents, **asked)
        except errors.APIError as error:
            return told(error)


async def asynchronous(key=KEY, contents="Hello", **asked):
    async with client(key).aio as opened:
        try:
            async for _ in await opened.models.generate_content_stream(contents=contents, **asked):
                pass
        except errors.APIError as error:
            return told(error)


def broken():
    texts = []
    with client() as opened:
        try:
            for chunk in opened.models.generate_content_stream(model="breaking/echo", contents="Hello"):
                texts.append(chunk.text or "")
        except errors.APIError as error:
            return {"text": "".join(texts), **told(error)}
    return {"text": "".join(texts), "type": "taken as a success"}


async def broken_asynchronously():
    texts = []
    async with client().aio as opened:
        try:
            async for chunk in await opened.models.generate_content_stream(model="breaking/echo", contents="Hello"):
                texts.append(chunk.text or "")
        except errors.APIError as error:
            return {"text": "".join(texts), **told(error)}
    return {"text": "".join(texts), "type": "taken as a success"}


def retried():
    with client(retry_options=types.HttpRetryOptions(**RETRIED)) as opened:
        try:
            opened.models.generate_content(model="overloaded", contents="Hello")
        except errors.APIError as error:
            return told(error)


async def main():
    facts = {
        "whole": {name: blocking(**asked) for name, asked in ASKED.items()},
        "streamed": {name: await asynchronous(**asked) for name, asked in ASKED.items()},
        "broken": [broken(), await broken_asynchronously()],
        "retried": retried(),
    }
    print(json.dumps(facts))


asyncio.run(main())
