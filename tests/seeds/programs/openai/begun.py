"""Begins a response in the background, reads a part of it and is cut off; says where it was."""

import json

import openai

client = openai.OpenAI()
script = "echo: " + json.dumps({"text": "one two three four five", "delay": "300ms"})
items = [{"role": "developer", "content": script}, {"role": "user", "content": "Count"}]
for event in client.responses.create(model="echo", input=items, background=True, stream=True):
    if event.type == "response.created":
        name = event.response.id
    if event.type == "response.output_text.delta":
        break
print(json.dumps({"id": name, "number": event.sequence_number}))
