"""Asks a model that refuses, with the retries that the client makes by itself: reports in JSON what it came to."""

import json
import sys
import time

import openai

began = time.monotonic()
try:
    openai.OpenAI().chat.completions.create(model=sys.argv[1], messages=[{"role": "user", "content": "Hello"}])
except openai.APIStatusError as error:
    facts = {
        "type": type(error).__name__,
        "status": error.status_code,
        "seconds": time.monotonic() - began,
        "retry_after": error.response.headers.get("retry-after"),
        "should_retry": error.response.headers.get("x-should-retry"),
    }
    print(json.dumps(facts))
