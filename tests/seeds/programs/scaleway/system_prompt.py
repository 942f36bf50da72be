"""Follows Scaleway's page "How to query text models": a conversation with a prompt of the system."""

from openai import OpenAI

client = OpenAI(
    base_url="https://api.scaleway.ai/v1",
    api_key="<SCW_API_KEY>",
)
response = client.chat.completions.create(
    model="llama-3.1-8b-instruct",
    messages=[
        {
            "role": "system",
            "content": "You are a sailor. Your name is Marlow.",
        },
        {
            "role": "user",
            "content": "Hello, what is your name?",
        },
    ],
    temperature=0,
    max_tokens=40,
)
print(response.choices[0].message.content)
