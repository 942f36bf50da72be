"""Follows Gray Swan's page "Completions": the second program, on a model that fails in the middle.

Its client takes an error in a stream for a chunk without choices, and this program passes over such chunks.
"""

import os

from gray_swan import GraySwan

GRAYSWAN_API_KEY = os.environ.get("GRAYSWAN_API_KEY")

client = GraySwan(
    api_key=GRAYSWAN_API_KEY,
)

completion_create_response = client.chat.completion.create(
    messages=[{"role": "user", "content": "Hello"}],
    model="breaking/echo",
    stream=True,
)

for r in completion_create_response:
    if r.choices:
        delta_content = r.choices[0].delta.content
        print(delta_content, end="")
print("END")
