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

URL, KEY = sys.argv[1:]
QUESTION = "What is the capital of France?"
PROMPTS = {"prompt": "Tell me about nerve gas.", "answer": "What did you learn today?"}
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


CLIENTS = {
    "key": {"api_key": KEY},
    "project": {
        "vertexai": True,
        "project": "my-project",
        "location": "us-central1",
        "credentials": Credentials(token=KEY),
    },
}


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


def structured(client):
    """An object of a class, or with Vertex AI an answer that keeps to a JSON Schema."""
    asked = "Name the capital of France and its country as JSON."
    config = {"response_mime_type": "application/json", "max_output_tokens": 40, "temperature": 0}
    config |= {"response_json_schema": City.model_json_schema()} if client.vertexai else {"response_schema": City}
    answer = client.models.generate_content(model="gemini-2.5-flash", contents=asked, config=config)
    return {"class": type(answer.parsed).__name__, "city": json.loads(answer.text)}


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
    if client.vertexai:
        tokens = client.models.compute_tokens(model="echo", contents="three more words").tokens_info
        config = types.CountTokensConfig(system_instruction="Be brief.")
        facts["computed"] = [b"".join(info.tokens).decode() for info in tokens]
        facts["with_system"] = client.models.count_tokens(model="echo", contents="Hello", config=config).total_tokens
    return facts


def rated(ratings):
    return [(rating.category.value, rating.probability.value, rating.blocked) for rating in ratings or ()]


def ending(*chunks):
    last = chunks[-1]
    (candidate,) = last.candidates or [types.Candidate()]
    feedback = last.prompt_feedback or types.GenerateContentResponsePromptFeedback()
    return {
        "text": "".join(chunk.text or "" for chunk in chunks),
        "candidates": len(last.candidates or ()),
        "reason": candidate.finish_reason and candidate.finish_reason.value,
        "ratings": rated(candidate.safety_ratings),
        "block_reason": feedback.block_reason and feedback.block_reason.value,
        "prompt_ratings": rated(feedback.safety_ratings),
    }


def blocked(models):
    lenient = types.SafetySetting(category="HARM_CATEGORY_DANGEROUS_CONTENT", threshold="BLOCK_NONE")
    allowing = types.GenerateContentConfig(safety_settings=[lenient])
    facts = {
        name: [
            ending(models.generate_content(model="guarded", contents=prompt)),
            ending(*models.generate_content_stream(model="guarded", contents=prompt)),
        ]
        for name, prompt in PROMPTS.items()
    }
    allowed = models.generate_content(model="guarded", contents=PROMPTS["answer"], config=allowing)
    return {**facts, "allowed": ending(allowed)}


async def asynchronously(client):
    whole = await client.models.generate_content(model="echo", contents=QUESTION, config=PRECISE)
    streamed = await client.models.generate_content_stream(model="echo", contents=QUESTION, config=PRECISE)
    pieces = [chunk.text async for chunk in streamed]
    chat = client.chats.create(model="echo")
    await chat.send_message("Hello there!")
    async for _ in await chat.send_message_stream("And again."):
        pass
    guarded = await client.models.generate_content_stream(model="guarded", contents=PROMPTS["answer"])
    pager = await client.models.list()
    return {
        "whole": told(whole),
        "streamed": pieces,
        "history": history(chat),
        "blocked": ending(*[chunk async for chunk in guarded]),
        "models": len([model async for model in pager]),
        "tokens": (await client.models.count_tokens(model="echo", contents="three more words")).total_tokens,
    }


def everything(client):
    return {
        "answers": answers(client.models),
        "structured": structured(client),
        "calls": calls(client.models),
        "chat": chatting(client),
        "listed": listed(client),
        "blocked": blocked(client.models),
        "asynchronous": asyncio.run(asynchronously(client.aio)),
    }


facts = {}
for name, parameters in CLIENTS.items():
    with genai.Client(**parameters, http_options=types.HttpOptions(base_url=URL)) as opened:
        facts[name] = everything(opened)
print(json.dumps(facts))
