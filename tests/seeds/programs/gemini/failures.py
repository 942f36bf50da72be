"""What goes wrong, with the blocking client and with the asynchronous one, and streams that are left: reported in JSON.

failures.py URL KEY [PROJECT]
"""

import asyncio
import json
import sys

from google import genai
from google.genai import errors, types

URL, KEY = sys.argv[1:]
IMAGE = types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")
ASKED = {
    "unknown model": {"model": "no-such-model"},
    "bad parameter": {"model": "echo", "config": {"temperature": -1}},
    "image": {"model": "local", "contents": IMAGE},
    "image that is read": {"model": "echo", "contents": IMAGE},
    "overloaded": {"model": "overloaded"},
    "away": {"model": "away/echo"},
}
RETRIES = types.HttpRetryOptions(attempts=2, initial_delay=0.01, max_delay=0.01)


def client(key=KEY, **options):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=URL, **options))


def told(error):
    return {"type": type(error).__name__, "code": error.code, "status": error.status, "message": error.message}


def blocking(opened, contents="Hello", **asked):
    try:
        opened.models.generate_content(contents=contents, **asked)
    except errors.APIError as error:
        return told(error)


async def asynchronous(opened, contents="Hello", **asked):
    try:
        async for _ in await opened.models.generate_content_stream(contents=contents, **asked):
            pass
    except errors.APIError as error:
        return told(error)


def broken(opened):
    texts = []
    try:
        for chunk in opened.models.generate_content_stream(model="breaking/echo", contents="Hello"):
            texts.append(chunk.text or "")
    except errors.APIError as error:
        return {"text": "".join(texts), **told(error)}
    return {"text": "".join(texts), "type": "taken as a success"}


async def broken_asynchronously(opened):
    texts = []
    try:
        async for chunk in await opened.models.generate_content_stream(model="breaking/echo", contents="Hello"):
            texts.append(chunk.text or "")
    except errors.APIError as error:
        return {"text": "".join(texts), **told(error)}
    return {"text": "".join(texts), "type": "taken as a success"}


def left(opened):
    """Leaves a stream after its first chunk."""
    stream = opened.models.generate_content_stream(model="slow/echo", contents="long " * 1000)
    first = next(iter(stream)).text
    stream.close()
    return first


async def left_asynchronously(opened):
    stream = await opened.models.generate_content_stream(model="slow/echo", contents="long " * 1000)
    first = (await anext(aiter(stream))).text
    await stream.aclose()
    return first


async def main():
    with client() as opened, client("wrong") as stranger, client(retry_options=RETRIES) as patient:
        facts = {
            "left": [left(opened), await left_asynchronously(opened.aio)],
            "whole": {name: blocking(opened, **asked) for name, asked in ASKED.items()},
            "streamed": {name: await asynchronous(opened.aio, **asked) for name, asked in ASKED.items()},
            "broken": [broken(opened), await broken_asynchronously(opened.aio)],
            "retried": blocking(patient, model="overloaded"),
        }
        facts["whole"]["wrong key"] = blocking(stranger, model="echo")
        facts["streamed"]["wrong key"] = await asynchronous(stranger.aio, model="echo")
    print(json.dumps(facts))


asyncio.run(main())
