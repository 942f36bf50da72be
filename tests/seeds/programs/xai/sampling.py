"""All that the client offers for text: reported in JSON. Arguments: the address, the key, `tls` or `plain`."""

import asyncio
import json
import sys

from pydantic import BaseModel
from xai_sdk import AsyncClient, Client
from xai_sdk.chat import image, system, tool, tool_result, user

ADDRESS, KEY, CHANNEL = sys.argv[1:]
MODEL = "local/smollm2-135m-instruct"
PLAIN = {"use_insecure_channel": True} if CHANNEL == "plain" else {}
CALLS = '{"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}], "reasoning_state": "sealed"}'
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = tool("weather", "The weather in a city", PARAMETERS)


class City(BaseModel):
    name: str


def asking(client, text, model="echo/echo", script=None, **more):
    told = [system(f"echo: {script}")] if script else []
    return client.chat.create(model=model, messages=[*told, user(text)], **more)


def described(response):
    usage = response.usage
    return {
        "text": response.content,
        "role": response.role,
        "reason": response.finish_reason,
        "usage": [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens],
        "id": response.id,
    }


def paris(client):
    return asking(client, "What is the capital of France?", MODEL, seed=1, temperature=0, max_tokens=20)


def streamed(chat):
    read = list(chat.stream())
    return {"pieces": [chunk.content for _, chunk in read], **described(read[-1][0])}


def called(client):
    """A call and its result, with the state of the turn in between."""
    chat = asking(client, "Is it cold?", script=CALLS, tools=[WEATHER], tool_choice="auto")
    first = chat.sample()
    call = first.tool_calls[0]
    chat.append(first)
    chat.append(tool_result("It snows in Oslo.", tool_call_id=call.id))
    again = chat.sample()
    *_, (last, _) = asking(client, "Is it cold?", script=CALLS, tools=[WEATHER]).stream()
    return {
        "call": [call.function.name, json.loads(call.function.arguments)],
        "reason": first.finish_reason,
        "sealed": bool(first.encrypted_content),
        "streamed": [last.tool_calls[0].function.name, json.loads(last.tool_calls[0].function.arguments)],
        "text": again.content,
    }


def thoughts(client):
    script = '{"reasoning": "Let me see.", "text": "Yes."}'
    response = asking(client, "Hm?", script=script, reasoning_effort="high").sample()
    return [response.reasoning_content, response.content, response.usage.reasoning_tokens > 0]


def blocking():
    with Client(api_host=ADDRESS, api_key=KEY, **PLAIN) as client:
        parsed = asking(client, "A city as JSON.", MODEL, max_tokens=60, seed=3).parse(City)[1]
        many = asking(client, "one two").sample_batch(2)
        with_image = client.chat.create(model="echo/echo")
        with_image.append(user("Look", image("data:image/png;base64,iVBORw==")))
        logged = asking(client, "one two", logprobs=True, top_logprobs=1).sample()
        return {
            "whole": described(paris(client).sample()),
            "streamed": streamed(paris(client)),
            "deferred": described(asking(client, "Hello later!").defer()),
            "called": called(client),
            "thoughts": thoughts(client),
            "parsed": [type(parsed).__name__, bool(parsed.name)],
            "many": [answer.content for answer in many],
            "image": with_image.sample().content,
            "logprobs": len(logged.logprobs.content),
            "models": [model.name for model in client.models.list_language_models()],
            "model": client.models.get_language_model("echo/echo").name,
            "tokens": [token.string_token for token in client.tokenize.tokenize_text("three more words", "echo/echo")],
            "key": client.auth.get_api_key_info().name,
        }


async def asynchronous():
    client = AsyncClient(api_host=ADDRESS, api_key=KEY, **PLAIN)
    read = [pair async for pair in asking(client, "Hello there!").stream()]
    facts = {
        "whole": described(await asking(client, "Hello there!").sample()),
        "streamed": {"pieces": [chunk.content for _, chunk in read], **described(read[-1][0])},
        "deferred": (await asking(client, "Hello later!").defer()).content,
        "models": len(await client.models.list_language_models()),
        "tokens": len(await client.tokenize.tokenize_text("three more words", "echo/echo")),
        "key": (await client.auth.get_api_key_info()).name,
    }
    await client.close()
    return facts


print(json.dumps({"blocking": blocking(), "asynchronous": asyncio.run(asynchronous())}))
