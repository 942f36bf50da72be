"""The asynchronous client: run, run_stream, run_deferred, tokenize. Reported in JSON."""

import asyncio
import json
import sys

from yandex_cloud_ml_sdk import AsyncYCloudML

QUESTION = [{"role": "user", "text": "What is the capital of France?"}]


async def main():
    sdk = AsyncYCloudML(folder_id="folder", auth=sys.argv[1])
    model = sdk.models.completions("yandexgpt").configure(temperature=0, max_tokens=60)
    whole = await model.run(QUESTION)
    streamed = [result.alternatives[0].text async for result in model.run_stream(QUESTION)]
    operation = await model.run_deferred(QUESTION)
    result = await operation.wait(poll_interval=0.1)
    facts = {
        "whole": whole.alternatives[0].text,
        "streamed": streamed,
        "deferred": result.alternatives[0].text,
        "tokens": len(await model.tokenize(QUESTION)),
        "usage": [whole.usage.input_text_tokens, result.usage.input_text_tokens],
    }
    print(json.dumps(facts))


asyncio.run(main())
