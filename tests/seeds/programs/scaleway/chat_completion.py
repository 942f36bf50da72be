"""Follows Scaleway's page "How to query text models": a chat completion."""

from openai import OpenAI

client = OpenAI(
    base_url="https://api.scaleway.ai/v1",
    api_key="<SCW_API_KEY>",
)
response = client.chat.completions.create(
    model="llama-3.1-8b-instruct",
    messages=[{"role": "user", "content": "Describe a lighthouse in one sentence."}],
    temperature=0.2,
    max_tokens=100,
    top_p=0.7,
)
# The page has `message["content"]`, which is a TypeError in every client that has this class.
print(response.choices[0].message.content)
