"""Reads streams that fail in the middle, chat and legacy, blocking and asynchronous: reports in JSON what it got."""

import asyncio
import json

import openai

MODEL = "breaking/echo"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "stream": True}
LEGACY = {"model": MODEL, "prompt": "Hello", "stream": True}


def failed(texts, error):
    return {"text": "".join(texts), "type": type(error).__name__, "message": error.message, "body": error.body}


def chat_text(chunk):
    return chunk.choices[0].delta.content or ""


def legacy_text(chunk):
    return chunk.choices[0].text


def blocking(create, request, text_of):
    texts = []
    try:
        for chunk in create(**request):
            texts.append(text_of(chunk))
    except openai.APIError as error:
        return failed(texts, error)
    return {"text": "".join(texts), "type": "taken as a success"}


async def asynchronous(create, request, text_of):
    texts = []
    try:
        async for chunk in await create(**request):
            texts.append(text_of(chunk))
    except openai.APIError as error:
        return failed(texts, error)
    return {"text": "".join(texts), "type": "taken as a success"}


async def main():
    one, other = openai.OpenAI(), openai.AsyncOpenAI()
    facts = {
        "chat": blocking(one.chat.completions.create, CHAT, chat_text),
        "legacy": blocking(one.completions.create, LEGACY, legacy_text),
        "async chat": await asynchronous(other.chat.completions.create, CHAT, chat_text),
        "async legacy": await asynchronous(other.completions.create, LEGACY, legacy_text),
    }
    print(json.dumps(facts))


asyncio.run(main())
