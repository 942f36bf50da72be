import sys

from dragoman import Client, text_of

with Client(sys.argv[1]) as client:
    print("".join(event.delta.text for event in client.stream("Hello from the wheel!", model="echo")))
    print(text_of(client.start("An operation.", model="echo").result()))
