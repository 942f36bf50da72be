"""Follows Scaleway's page "How to query text models": a streamed completion, asynchronous."""

import asyncio

from openai import AsyncOpenAI

client = AsyncOpenAI(
    base_url="https://api.scaleway.ai/v1",
    api_key="<SCW_API_KEY>",
)


async def main():
    stream = await client.completions.create(
        model="llama-3.1-8b-instruct",
        prompt="Once upon a time",
        stream=True,
    )
    async for chunk in stream:
        print(chunk.choices[0].text, end="")


asyncio.run(main())
