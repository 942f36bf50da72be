"""Provokes failures and blocked answers, and reports in JSON what the vendor's client makes of them."""

import json
import sys
import time

import vertexai
from google.oauth2.credentials import Credentials
from vertexai.language_models import ChatModel, TextGenerationModel

_, endpoint, key, narrow_key, transport = sys.argv
facts = {}


def use(token):
    vertexai.init(
        project="project",
        location="us-central1",
        api_endpoint=endpoint,
        api_transport=transport,
        credentials=Credentials(token=token),
    )


def failure(name, call):
    began = time.monotonic()
    try:
        list(call())
    except Exception as error:  # noqa: BLE001 - the report says which
        facts[name] = [type(error).__name__, str(error), time.monotonic() - began]
    else:
        facts[name] = None


def pieces(answers):
    return [[answer.text, answer.is_blocked, answer.safety_attributes] for answer in answers]


use(key)
failure("unknown model", lambda: [TextGenerationModel.from_pretrained("no-such-model")])
failure("another family", lambda: [ChatModel.from_pretrained("text-echo")])
text = TextGenerationModel.from_pretrained("text-echo")
failure("wrong value", lambda: text.predict_streaming("hello", top_p=7.0))
filtered = TextGenerationModel.from_pretrained("text-filtered")
facts["blocked"] = pieces([filtered.predict("It is dynamite, they say")])
facts["blocked stream"] = pieces(filtered.predict_streaming("It is dynamite, they say"))
talk = ChatModel.from_pretrained("chat-filtered").start_chat()
facts["blocked chat"] = pieces(talk.send_message_streaming("It is dynamite, they say"))
use(narrow_key)
failure("forbidden model", lambda: [TextGenerationModel.from_pretrained("text-bison")])
use("wrong")
failure("wrong key", lambda: [TextGenerationModel.from_pretrained("text-echo")])
print(json.dumps(facts))
