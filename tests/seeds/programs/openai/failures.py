"""What goes wrong at once, asked of the blocking client and of the asynchronous one: reported as JSON."""

import asyncio
import json
import sys

import openai

ASKED = {
    "wrong key": {"model": "echo", "key": "wrong"},
    "forbidden model": {"model": "llama-3.1-8b-instruct", "key": sys.argv[1]},
    "unknown model": {"model": "no-such-model"},
    "bad parameter": {"model": "echo", "temperature": -1},
    "no messages": {"model": "echo", "messages": []},
    "too many tokens": {"model": "llama-3.1-8b-instruct", "messages": [{"role": "user", "content": "long " * 5000}]},
}
QUESTION = [{"role": "user", "content": "Hello"}]


def told(error):
    return {
        "type": type(error).__name__,
        "status": error.status_code,
        "body": error.body,
        "request_id": error.request_id,
    }


def blocking(key=None, messages=QUESTION, **parameters):
    try:
        with openai.OpenAI(api_key=key) as client:
            client.chat.completions.create(messages=messages, **parameters)
    except openai.APIStatusError as error:
        return told(error)


async def asynchronous(key=None, messages=QUESTION, **parameters):
    try:
        async with openai.AsyncOpenAI(api_key=key) as client:
            await client.chat.completions.create(messages=messages, stream=True, **parameters)
    except openai.APIStatusError as error:
        return told(error)


async def main():
    whole = {name: blocking(**parameters) for name, parameters in ASKED.items()}
    streamed = {name: await asynchronous(**parameters) for name, parameters in ASKED.items()}
    print(json.dumps({"whole": whole, "streamed": streamed}))


asyncio.run(main())
