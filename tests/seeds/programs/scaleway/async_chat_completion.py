"""Follows Scaleway's page "How to query text models": chat completions whole and streamed, asynchronous."""

import asyncio

from openai import AsyncOpenAI

client = AsyncOpenAI(
    base_url="https://api.scaleway.ai/v1",
    api_key="<SCW_API_KEY>",
)
messages = [{"role": "user", "content": "What is the capital of France?"}]


async def main():
    response = await client.chat.completions.create(
        model="llama-3.1-8b-instruct",
        messages=messages,
        temperature=0.2,
        max_tokens=100,
        top_p=0.7,
    )
    print(response.choices[0].message.content)
    stream = await client.chat.completions.create(
        model="llama-3.1-8b-instruct",
        messages=messages,
        stream=True,
    )
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            print(chunk.choices[0].delta.content, end="")


asyncio.run(main())
