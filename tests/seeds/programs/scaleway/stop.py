"""Follows Scaleway's page "How to query text models": its parameter `stop`, as a string and as a list."""

from openai import OpenAI

client = OpenAI(
    base_url="https://api.scaleway.ai/v1",
    api_key="<SCW_API_KEY>",
)
for stop in (None, "4", ["9", "4"]):
    response = client.chat.completions.create(
        model="llama-3.1-8b-instruct",
        messages=[{"role": "user", "content": "Write the numbers from 1 to 6."}],
        temperature=0,
        max_tokens=100,
        stop=stop,
        seed=1,
    )
    print(repr(response.choices[0].message.content))
