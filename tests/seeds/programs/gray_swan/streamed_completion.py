"""Follows Gray Swan's page "Completions": the second program, streamed."""

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
    stream=True,
)

for r in completion_create_response:
    delta_content = r.choices[0].delta.content
    print(delta_content, end="")
