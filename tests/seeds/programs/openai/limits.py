"""Asks a model twice, with the retries that the client makes by itself: reports in JSON what each request came to."""

import json
import sys
import time

import openai

client, facts = openai.OpenAI(), []
for _ in range(2):
    began, fact = time.monotonic(), {}
    try:
        client.chat.completions.create(model=sys.argv[1], messages=[{"role": "user", "content": "word " * 18}])
    except openai.APIStatusError as error:
        fact = {"type": type(error).__name__, "status": error.status_code, "code": error.code}
    facts.append({**fact, "seconds": time.monotonic() - began})
print(json.dumps(facts))
