"""Calls every method of the vendor's language models, over gRPC or REST, and reports the answers in JSON."""

import asyncio
import json
import sys

import vertexai
from google.oauth2.credentials import Credentials
from vertexai.language_models import (
    ChatModel,
    CodeChatModel,
    CodeGenerationModel,
    InputOutputTextPair,
    TextGenerationModel,
)

_, endpoint, key, narrow_key, transport = sys.argv
vertexai.init(
    project="project",
    location="us-central1",
    api_endpoint=endpoint,
    api_transport=transport,
    credentials=Credentials(token=key),
)
text = TextGenerationModel.from_pretrained("text-echo")
code = CodeGenerationModel.from_pretrained("code-echo")
chat = ChatModel.from_pretrained("chat-echo")
codechat = CodeChatModel.from_pretrained("codechat-echo")
facts = {}


def pieces(answers):
    return [[answer.text, answer.is_blocked] for answer in answers]


def session():
    return chat.start_chat(
        context="Be brief.", examples=[InputOutputTextPair(input_text="One?", output_text="Two.")], temperature=0.2
    )


def synchronous():
    more = {"temperature": 0.3, "max_output_tokens": 3, "top_k": 40, "top_p": 0.9, "stop_sequences": ["!"]}
    facts["text"] = [text.predict("one two three four", **more).text]
    facts["text streamed"] = pieces(text.predict_streaming("one two three four", seed=3, **more))
    candidates = text.predict("one two", candidate_count=2, presence_penalty=0.1).candidates
    facts["candidates"] = [candidate.text for candidate in candidates]
    facts["code"] = [code.predict(prefix="def f", max_output_tokens=8, temperature=0.1).text]
    facts["code streamed"] = pieces(code.predict_streaming(prefix="def f", max_output_tokens=8))
    talk = session()
    facts["chat"] = [talk.send_message("How many?").text]
    facts["chat streamed"] = pieces(talk.send_message_streaming("And how many more?", max_output_tokens=8))
    facts["history"] = [[message.author, message.content] for message in talk.message_history]
    talk = codechat.start_chat(max_output_tokens=8)
    facts["codechat"] = [talk.send_message("sort a list").text]
    facts["codechat streamed"] = pieces(talk.send_message_streaming("reverse it"))


async def asynchronous():
    facts["async"] = [(await text.predict_async("one two")).text]
    facts["async streamed"] = pieces([answer async for answer in text.predict_streaming_async("one two")])
    talk = session()
    facts["async chat"] = [(await talk.send_message_async("How many?")).text]
    facts["async chat streamed"] = pieces([answer async for answer in talk.send_message_streaming_async("More?")])


synchronous()
if transport == "grpc":  # the client has no asynchronous REST
    asyncio.run(asynchronous())
print(json.dumps(facts))
