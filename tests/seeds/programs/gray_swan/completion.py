"""Follows Gray Swan's page "Completions": the first program."""

import os

from gray_swan import GraySwan

GRAYSWAN_API_KEY = os.environ.get("GRAYSWAN_API_KEY")

client = GraySwan(
    api_key=GRAYSWAN_API_KEY,
)

completion_create_response = client.chat.completion.create(
    messages=[
        {"role": "system", "content": "Answer in one sentence."},
        {"role": "user", "content": "What is a lighthouse?"},
    ],
    model="cygnet",
)

print(completion_create_response.choices[0].message.content)
