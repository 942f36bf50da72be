"""Uses the Responses API as programs do, and reports what came of it in JSON."""

import json
import time

import openai

client = openai.OpenAI()
TOOLS = [
    {
        "type": "function",
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "strict": True,
    }
]


def scripted(**script):
    return {"role": "developer", "content": "echo: " + json.dumps(script)}


def user(text):
    return {"role": "user", "content": text}


def whole():
    response = client.responses.create(
        model="echo", input="one two three", instructions="Be brief.", metadata={"a": "b"}
    )
    read = client.responses.retrieve(response.id)
    following = client.responses.create(model="echo", input="four", previous_response_id=response.id)
    items = client.responses.input_items.list(following.id, order="asc")
    counted = client.responses.input_tokens.count(model="echo", input="one two three")
    return {
        "text": [response.output_text, read.output_text, following.output_text],
        "status": response.status,
        "usage": [response.usage.output_tokens, response.usage.total_tokens],
        "metadata": response.metadata,
        "items": [item.content[0].text for item in items],
        "counted": counted.input_tokens,
    }


def streamed():
    script = scripted(reasoning="Let me see.", reasoning_state="signed", text="It is fine.", delay="1ms")
    kinds = []
    with client.responses.stream(
        model="echo", input=[script, user("How is it?")], reasoning={"summary": "auto"}
    ) as stream:
        for event in stream:
            kinds.append(event.type)
        final = stream.get_final_response()
    with client.responses.stream(response_id=final.id, starting_after=40) as stream:
        resumed = [event.sequence_number for event in stream]
        again = stream.get_final_response().output_text
    history = [*final.output, user("Go on")]
    after = client.responses.create(model="echo", input=history, store=False)
    return {
        "kinds": list(dict.fromkeys(kinds)),
        "text": [final.output_text, again, after.output_text],
        "summary": final.output[0].summary[0].text,
        "encrypted": bool(final.output[0].encrypted_content),
        "resumed": min(resumed) > 40,
    }


def tools():
    calls = [{"name": "weather", "arguments": {"city": "Oslo"}}]
    response = client.responses.create(model="echo", input=[scripted(tool_calls=calls), user("Oslo?")], tools=TOOLS)
    [call] = [item for item in response.output if item.type == "function_call"]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "It snows in Oslo."}
    stored = client.responses.create(model="echo", input=[result], tools=TOOLS, previous_response_id=response.id)
    by_hand = client.responses.create(model="echo", input=[user("Oslo?"), *response.output, result], tools=TOOLS)
    return {"call": [call.name, json.loads(call.arguments)], "text": [stored.output_text, by_hand.output_text]}


def background():
    response = client.responses.create(model="echo", input="one two", background=True)
    while response.status in ("queued", "in_progress"):
        time.sleep(0.05)
        response = client.responses.retrieve(response.id)
    slow = client.responses.create(model="echo", input=[scripted(delay="60s"), user("one two")], background=True)
    cancelled = client.responses.cancel(slow.id)
    client.responses.delete(slow.id)
    return {
        "text": response.output_text,
        "status": [response.status, cancelled.status],
        "gone": error_of(lambda: client.responses.retrieve(slow.id)),
    }


def error_of(call):
    try:
        call()
    except openai.APIError as error:
        return [type(error).__name__, getattr(error, "status_code", None), error.code]
    return None


def failures():
    def create(**more):
        return error_of(lambda: client.responses.create(**{"model": "echo", "input": "Hi", **more}))

    def broken():
        script = scripted(text="one two three", delay="1ms", fail_after=2)
        for event in client.responses.create(model="echo", input=[script, user("Hi")], stream=True):
            seen.append(event.type)

    seen = []
    told = {
        "unknown model": create(model="no-such-model"),
        "hosted tool": create(tools=[{"type": "web_search"}]),
        "no such response": create(previous_response_id="resp_none"),
        "overloaded": create(model="overloaded/echo"),
        "broken": error_of(broken),
    }
    return told | {"before it broke": seen[-1]}


report = {part.__name__: part() for part in (whole, streamed, tools, background, failures)}
print(json.dumps(report))
