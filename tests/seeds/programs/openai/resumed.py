"""Reads the rest of a response after an event, and ends with the response: `resumed.py ID NUMBER`."""

import json
import sys

import openai

client = openai.OpenAI()
rest = list(client.responses.retrieve(sys.argv[1], stream=True, starting_after=int(sys.argv[2])))
last = rest[-1]
report = {"first": rest[0].sequence_number, "last": last.type, "text": last.response.output_text}
report["kinds"] = sorted({event.type for event in rest})
print(json.dumps(report))
