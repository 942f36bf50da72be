"""A model calls a tool, streamed through the client's own helper, and gets its result: reported in JSON."""

import json
import sys

import openai

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
client = openai.OpenAI()
messages = json.loads(sys.argv[1])
helper = getattr(client.chat.completions, "stream", None) or client.beta.chat.completions.stream
events = []
with helper(model="echo", messages=messages, tools=[TOOL]) as stream:
    for event in stream:
        events.append(event.type)
    completion = stream.get_final_completion()
called = completion.choices[0].message.tool_calls
whole = client.chat.completions.create(model="echo", messages=messages, tools=[TOOL], tool_choice="auto")
facts = {
    "events": events,
    "finish_reason": completion.choices[0].finish_reason,
    "called": [(call.type, call.function.name, call.function.parsed_arguments) for call in called],
    "ids": [call.id for call in called],
    "whole": [(call.type, call.function.name, call.function.arguments) for call in whole.choices[0].message.tool_calls],
    "whole_reason": whole.choices[0].finish_reason,
}
answered = [
    {"role": "user", "content": "What is the weather in Oslo?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [call.to_dict() for call in whole.choices[0].message.tool_calls],
    },
    {"role": "tool", "tool_call_id": whole.choices[0].message.tool_calls[0].id, "content": "snow"},
]
facts["after"] = (
    client.chat.completions.create(model="echo", messages=answered, tools=[TOOL]).choices[0].message.content
)
print(json.dumps(facts))
