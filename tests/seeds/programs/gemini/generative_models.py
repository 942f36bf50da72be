"""The older client of Vertex AI, vertexai.generative_models: reported in JSON.

generative_models.py ADDRESS KEY
"""

import asyncio
import json
import sys

import vertexai
from google.oauth2.credentials import Credentials
from vertexai.generative_models import (
    Content,
    FunctionDeclaration,
    GenerationConfig,
    GenerativeModel,
    HarmBlockThreshold,
    HarmCategory,
    Part,
    ResponseValidationError,
    Tool,
)

ADDRESS, KEY = sys.argv[1:]
PROMPTS = {"prompt": "Tell me about nerve gas.", "answer": "What did you learn today?"}
QUESTION = "What is the capital of France?"
PRECISE = GenerationConfig(temperature=0, seed=1, max_output_tokens=24)
vertexai.init(project="p", location="us-central1", api_endpoint=ADDRESS, credentials=Credentials(token=KEY))


def answers(model):
    safety = {HarmCategory.HARM_CATEGORY_HATE_SPEECH: HarmBlockThreshold.BLOCK_ONLY_HIGH}
    whole = model.generate_content(QUESTION, generation_config=PRECISE, safety_settings=safety)
    chunks = list(model.generate_content(QUESTION, generation_config=PRECISE, stream=True))
    return {
        "whole": whole.text,
        "usage": whole.usage_metadata.total_token_count,
        "streamed": [chunk.text for chunk in chunks],
        "reason": chunks[-1].candidates[0].finish_reason.name,
        "tokens": model.count_tokens(QUESTION).total_tokens,
    }


def chatting():
    chat = GenerativeModel("echo").start_chat()
    texts = [chat.send_message("Hello there!").text]
    texts.append("".join(chunk.text for chunk in chat.send_message("And again.", stream=True)))
    return {"texts": texts, "history": [content.role for content in chat.history]}


def calling():
    weather = FunctionDeclaration(
        name="weather",
        description="The weather in a city.",
        parameters={"type": "object", "properties": {"city": {"type": "string"}}},
    )
    model = GenerativeModel("weather", tools=[Tool(function_declarations=[weather])])
    question = Content(role="user", parts=[Part.from_text("And in Oslo?")])
    candidate = model.generate_content(question).candidates[0]
    (call,) = candidate.function_calls
    result = Part.from_function_response(name=call.name, response={"result": f"It snows in {call.args['city']}."})
    answer = model.generate_content([question, candidate.content, Content(role="user", parts=[result])])
    return {"call": [call.name, dict(call.args)], "text": answer.text}


def blocked():
    """The text of a blocked prompt raises ValueError, and a chat that was blocked ResponseValidationError."""
    model, facts = GenerativeModel("guarded"), {}
    for name, prompt in PROMPTS.items():
        response = model.generate_content(prompt)
        (*_, last) = model.generate_content(prompt, stream=True)
        reasons = [[candidate.finish_reason.name for candidate in chunk.candidates] for chunk in (response, last)]
        facts[name] = {"reasons": reasons, "text": "", "chat": ""}
        try:
            facts[name]["text"] = response.text
        except ValueError as error:
            facts[name]["text"] = type(error).__name__
        try:
            model.start_chat().send_message(prompt)
        except ResponseValidationError as error:
            facts[name]["chat"] = type(error).__name__
    return facts


async def asynchronously(model):
    whole = await model.generate_content_async(QUESTION, generation_config=PRECISE)
    streamed = await model.generate_content_async(QUESTION, generation_config=PRECISE, stream=True)
    return {"whole": whole.text, "streamed": [chunk.text async for chunk in streamed]}


gemini = GenerativeModel("gemini-2.5-flash")
told = GenerativeModel("echo", system_instruction='echo: {"text": "As I was told."}')
facts = {
    "answers": answers(gemini),
    "told": told.generate_content("Hello").text,
    "chat": chatting(),
    "calls": calling(),
    "blocked": blocked(),
    "asynchronous": asyncio.run(asynchronously(GenerativeModel("echo"))),
}
print(json.dumps(facts))
