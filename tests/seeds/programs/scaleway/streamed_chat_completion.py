"""Follows Scaleway's page "How to query text models": a streamed chat completion."""

from openai import OpenAI

client = OpenAI(
    base_url="https://api.scaleway.ai/v1",
    api_key="<SCW_API_KEY>",
)
response = client.chat.completions.create(
    model="llama-3.1-8b-instruct",
    messages=[
        {
            "role": "user",
            "content": "Write one sentence about the sea.",
        }
    ],
    stream=True,
)
for chunk in response:
    if chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="")
