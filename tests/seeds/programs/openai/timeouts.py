"""Asks a model that says nothing, with a time limit of the client: reports in JSON what it came to."""

import json
import time

import openai

client = openai.OpenAI(timeout=1.5, max_retries=0)
began = time.monotonic()
try:
    client.chat.completions.create(model="silent/echo", messages=[{"role": "user", "content": "Hello"}])
except openai.APITimeoutError as error:
    print(json.dumps({"type": type(error).__name__, "seconds": time.monotonic() - began}))
