"""Follows Gray Swan's page "Completions": a message of the role `data`."""

import os

from gray_swan import GraySwan

GRAYSWAN_API_KEY = os.environ.get("GRAYSWAN_API_KEY")

client = GraySwan(
    api_key=GRAYSWAN_API_KEY,
)

completion_create_response = client.chat.completion.create(
    messages=[
        {"role": "system", "content": "Answer in one sentence."},
        {"role": "data", "content": "The ship is called Aurora."},
        {"role": "user", "content": "What is the name of the ship?"},
    ],
    model="cygnet",
    max_tokens=60,
    temperature=0,
)

print(completion_create_response.choices[0].message.content)
