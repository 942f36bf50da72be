"""Several answers with the probabilities of their tokens, whole and streamed: reported in JSON."""

import json

import openai

client = openai.OpenAI()
request = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Name a colour."}],
    "max_tokens": 8,
    "n": 2,
    "seed": 7,
    "logprobs": True,
    "top_logprobs": 2,
}
whole = client.chat.completions.create(**request)
streamed = {0: "", 1: ""}
finished = {}
for chunk in client.chat.completions.create(**request, stream=True):
    for choice in chunk.choices:
        streamed[choice.index] += choice.delta.content or ""
        if choice.finish_reason:
            finished[choice.index] = choice.finish_reason
facts = {
    "whole": [choice.message.content for choice in whole.choices],
    "streamed": list(streamed.values()),
    "reasons": [choice.finish_reason for choice in whole.choices],
    "streamed_reasons": list(finished.values()),
    "logprobs": [
        [(token.token, token.logprob, len(token.top_logprobs)) for token in choice.logprobs.content]
        for choice in whole.choices
    ],
    "usage": whole.usage.to_dict(),
}
print(json.dumps(facts))
