"""Follows Gray Swan's page "Completions": asynchronous and whole, which its text promises."""

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
    )
    print(completion_create_response.choices[0].message.content)


asyncio.run(main())
