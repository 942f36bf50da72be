"""What was used, of a whole answer and at the end of a stream: reported in JSON."""

import json

import openai

client = openai.OpenAI()
request = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}
whole = client.chat.completions.create(**request)
newer_name = {"max_completion_tokens": 2}  # as a client sends it that knows the name
limited = client.chat.completions.create(**request, extra_body=newer_name)
chunks = list(client.chat.completions.create(**request, stream=True, stream_options={"include_usage": True}))
silent = list(client.chat.completions.create(**request, stream=True))
facts = {
    "whole": whole.usage.to_dict(),
    "limited": limited.usage.completion_tokens,
    "last": chunks[-1].usage.to_dict(),
    "last_choices": len(chunks[-1].choices),
    "others": [chunk.usage for chunk in chunks[:-1]],
    "unasked": [chunk.usage for chunk in silent],
    "unasked_choices": [len(chunk.choices) for chunk in silent],
}
print(json.dumps(facts))
