"""Follows Gray Swan's page "Completions": the third and the fourth program, in the form that works.

The page lacks `await` in the one and `async for` in the other: a TypeError in the client, whatever the server does.
"""

import asyncio
import os

from gray_swan import AsyncGraySwan

GRAYSWAN_API_KEY = os.environ.get("GRAYSWAN_API_KEY")

client = AsyncGraySwan(
    api_key=GRAYSWAN_API_KEY,
)


async def main():
    completion_create_response = await client.chat.completion.create(
        messages=[
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "What is a lighthouse?"},
        ],
        model="cygnet",
        stream=True,
    )
    async for r in completion_create_response:
        delta_content = r.choices[0].delta.content
        print(delta_content, end="")


asyncio.run(main())
