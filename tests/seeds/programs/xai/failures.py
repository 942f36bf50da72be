"""What goes wrong: reported in JSON. Arguments: the address and the key. The channel is plaintext."""

import json
import sys

import grpc
from xai_sdk import Client
from xai_sdk.chat import image, user
from xai_sdk.search import SearchParameters
from xai_sdk.tools import web_search

ADDRESS, KEY = sys.argv[1:]


def asking(model="echo/echo", key=KEY, content="Hello", **options):
    client = Client(api_host=ADDRESS, api_key=key, use_insecure_channel=True)
    return client.chat.create(model=model, messages=[user(content)], **options)


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return {"code": error.code().name, "message": error.details()}


def streamed(chat):
    pieces = []

    def read():
        for _, chunk in chat.stream():
            pieces.append(chunk.content)

    return {**failure(read), "text": "".join(pieces)}


def left():
    return next(asking("slow/echo", content="one two three four five").stream())[1].content


facts = {
    "wrong key": failure(lambda: asking(key="wrong").sample()),
    "unknown model": failure(lambda: asking("no-such-model").sample()),
    "too hot": failure(lambda: asking(temperature=9).sample()),
    "hosted": failure(lambda: asking(tools=[web_search()]).sample()),
    "searched": failure(lambda: asking(search_parameters=SearchParameters(mode="on")).sample()),
    "overloaded": failure(lambda: asking("overloaded/echo").sample()),
    "away": failure(lambda: asking("away/echo").sample()),
    "deferred": failure(lambda: asking("spent/echo").defer()),
    "image": failure(lambda: asking("local/smollm2-135m-instruct", content=image("https://a.example/b.png")).sample()),
    "broken": streamed(asking("breaking/echo")),
    "left": left(),
}
print(json.dumps(facts))
