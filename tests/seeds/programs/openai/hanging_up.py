"""Leaves long streams after a few pieces, by closing one and by cancelling the reader of the other.

It stays for a while then: it is not the end of the process that tells the service.
"""

import asyncio
import time

import openai

REQUEST = {"model": "slow/echo", "messages": [{"role": "user", "content": "word " * 400}], "stream": True}


def leave():
    with openai.OpenAI().chat.completions.create(**REQUEST) as stream:
        for number, _ in enumerate(stream):
            if number == 3:
                return


async def leave_by_cancelling():
    stream = await openai.AsyncOpenAI().chat.completions.create(**REQUEST)
    try:
        async with asyncio.timeout(0.3):
            async for _ in stream:
                pass
    except TimeoutError:
        print("left")


leave()
asyncio.run(leave_by_cancelling())
time.sleep(2)
