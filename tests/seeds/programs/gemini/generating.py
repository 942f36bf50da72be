"""What programs for Gemini do, with a key or in a project of Vertex AI, blocking and asynchronous: reported in JSON.

generating.py URL KEY [PROJECT]
"""

import asyncio
import json
import sys

from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from pydantic import BaseModel

URL, KEY, *PROJECT = sys.argv[1:]
QUESTION = "What is the capital of France?"
PRECISE = types.GenerateContentConfig(temperature=0, seed=1, max_output_tokens=24)
SAFETY = [
    types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_ONLY_HIGH"),
    types.SafetySetting(category=types.HarmCategory.HARM_CATEGORY_HATE_SPEECH, threshold="BLOCK_LOW_AND_ABOVE"),
]


class City(BaseModel):
    name: str
    country: str


def weather(city: str) -> str:
    """The weather in a city."""
    return f"It snows in {city}."


def client():
    options = types.HttpOptions(base_url=URL)
    if PROJECT:
        credentials = Credentials(token=KEY)
        return genai.Client(
            vertexai=True, project=PROJECT[0], location="us-central1", credentials=credentials, http_options=options
        )
    return genai.Client(api_key=KEY, http_options=options)


def told(response):
    usage = response.usage_metadata
    return {
        "text": response.text,
        "reason": response.candidates[0].finish_reason.value,
        "usage": [usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count],
        "version": response.model_version,
        "id": response.response_id,
    }


def history(chat):
    return [(content.role, "".join(part.text for part in content.parts)) for content in chat.get_history()]


def answers(models):
    whole = models.generate_content(model="gemini-2.5-flash", contents=QUESTION, config=PRECISE)
    chunks = list(models.generate_content_stream(model="gemini-2.5-flash", contents=QUESTION, config=PRECISE))
    told_so = types.GenerateContentConfig(
        system_instruction='echo: {"text": "As I was told.", "reasoning": "Let me see."}',
        safety_settings=SAFETY,
        thinking_config=types.ThinkingConfig(include_thoughts=True),
    )
    thinking = models.generate_content(model="echo", contents=["Hello", "there"], config=told_so)
    parts = thinking.candidates[0].content.parts
    return {
        "whole": told(whole),
        "streamed": [chunk.text for chunk in chunks],
        "last": told(chunks[-1]),
        "told": thinking.text,
        "thoughts": [part.text for part in parts if part.thought],
        "thoughts_count": thinking.usage_metadata.thoughts_token_count,
    }


def structured(models):
    asked = "Name the capital of France and its country as JSON."
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_schema=City, max_output_tokens=60, temperature=0
    )
    parsed = models.generate_content(model="gemini-2.5-flash", contents=asked, config=config).parsed
    schema = {"type": "object", "properties": {"year": {"type": "integer"}}, "required": ["year"]}
    config = {"response_mime_type": "application/json", "response_json_schema": schema, "max_output_tokens": 60}
    plain = models.generate_content(model="gemini-2.5-flash", contents=asked, config=config)
    return {"class": type(parsed).__name__, "city": parsed.model_dump(), "plain": json.loads(plain.text)}


def calls(models):
    automatic = models.generate_content(
        model="weather", contents="And in Oslo?", config=types.GenerateContentConfig(tools=[weather])
    )
    declared = types.FunctionDeclaration(
        name="weather", parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}}}
    )
    by_hand = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])],
        tool_config=types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY")),
    )
    asked = models.generate_content(model="weather", contents="And in Oslo?", config=by_hand)
    streamed = list(models.generate_content_stream(model="weather", contents="And in Oslo?", config=by_hand))
    return {
        "text": automatic.text,
        "history": [content.role for content in automatic.automatic_function_calling_history],
        "by_hand": [(call.name, call.args) for call in asked.function_calls],
        "streamed": [(call.name, call.args) for chunk in streamed for call in chunk.function_calls or ()],
    }


def chatting(client):
    chat = client.chats.create(model="echo")
    first, second = chat.send_message("Hello there!"), list(chat.send_message_stream("And again."))
    return {"texts": [first.text, "".join(chunk.text or "" for chunk in second)], "history": history(chat)}


def listed(client):
    models = list(client.models.list(config={"page_size": 2, "query_base": True}))
    one = client.models.get(model="echo")
    facts = {
        "tokens": client.models.count_tokens(model="echo", contents="three more words").total_tokens,
        "models": [model.name for model in models],
        "model": [one.name, one.display_name],
    }
    if PROJECT:
        tokens = client.models.compute_tokens(model="echo", contents="three more words").tokens_info
        config = types.CountTokensConfig(system_instruction="Be brief.")
        facts["computed"] = [b"".join(info.tokens).decode() for info in tokens]
        facts["with_system"] = client.models.count_tokens(model="echo", contents="Hello", config=config).total_tokens
    return facts


async def asynchronously(client):
    whole = await client.models.generate_content(model="gemini-2.5-flash", contents=QUESTION, config=PRECISE)
    streamed = await client.models.generate_content_stream(model="gemini-2.5-flash", contents=QUESTION, config=PRECISE)
    pieces = [chunk.text async for chunk in streamed]
    chat = client.chats.create(model="echo")
    await chat.send_message("Hello there!")
    async for _ in await chat.send_message_stream("And again."):
        pass
    pager = await client.models.list()
    return {
        "whole": told(whole),
        "streamed": pieces,
        "history": history(chat),
        "models": len([model async for model in pager]),
        "tokens": (await client.models.count_tokens(model="echo", contents="three more words")).total_tokens,
    }


with client() as blocking:
    facts = {
        "answers": answers(blocking.models),
        "structured": structured(blocking.models),
        "calls": calls(blocking.models),
        "chat": chatting(blocking),
        "listed": listed(blocking),
        "asynchronous": asyncio.run(asynchronously(blocking.aio)),
    }
print(json.dumps(facts))
