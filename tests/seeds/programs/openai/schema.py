"""An answer that keeps to a schema, with the client's own help to read it: reported in JSON."""

import json

import openai
from pydantic import BaseModel


class City(BaseModel):
    name: str
    country: str


client = openai.OpenAI()
completions = getattr(client.chat.completions, "parse", None) or client.beta.chat.completions.parse
answer = completions(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "What is the capital of France?"}],
    response_format=City,
    max_tokens=60,
    temperature=0,
)
plain = client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "What is the capital of France? Answer as JSON."}],
    response_format={"type": "json_object"},
    max_tokens=60,
    temperature=0,
)
city = answer.choices[0].message.parsed
print(json.dumps({"class": type(city).__name__, "city": city.model_dump(), "plain": plain.choices[0].message.content}))
