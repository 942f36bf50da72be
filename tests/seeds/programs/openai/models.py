"""Which models there are: reported in JSON."""

import json

import openai

client = openai.OpenAI()
names = [model.id for model in client.models.list()]
model = client.models.retrieve("local/smollm2-135m-instruct")
try:
    client.models.retrieve("no-such-model")
except openai.NotFoundError as error:
    missing = error.body
print(json.dumps({"names": names, "retrieved": model.to_dict(), "missing": missing}))
