"""The commands in a conversation, which begin with a slash."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from dragoman import AsyncClient
from google.protobuf.json_format import MessageToJson

from dragoman_service.cli.chat.conversation import Conversation, text_of_turn
from dragoman_service.cli.terminal.output import note

HELP = '''\
/model NAME   asks another model from now on; without NAME, lists the models
/system TEXT  instructs the model; without TEXT, takes the instructions back
/clear        forgets what was said; model and instructions stay
/save FILE    writes the conversation to a new file, as Markdown, or as a request if it ends with .json
/help         shows this
/quit         ends the talk, as Ctrl-D does
Ctrl-C stops an answer. A \\ at the end of a line continues it; """ begins and ends a question of several lines.
Begin with // to send a line that starts with a slash.'''

_COMMAND = re.compile(r"/(?!/)(\S*)\s*(.*)", re.DOTALL)

Command = Callable[[AsyncClient, Conversation, str], Awaitable[None]]


def command_in(line: str) -> tuple[str, str] | None:
    """The command's name and what follows it; None if the line is a question."""
    found = _COMMAND.fullmatch(line.strip())
    return (found[1].lower(), found[2]) if found else None


def question_in(line: str) -> str:
    """The question in a line that is no command."""
    return line[1:] if line.startswith("//") else line


async def run(client: AsyncClient, conversation: Conversation, name: str, argument: str) -> bool:
    """Runs a command. False if there is none of that name. Raises DragomanError."""
    if name not in COMMANDS:
        return False
    await COMMANDS[name](client, conversation, argument)
    return True


async def _model(client: AsyncClient, conversation: Conversation, name: str) -> None:
    if name:
        found = await client.model(name)
        conversation.settings.model = name
        note(f"{name} answers from now on." if found.name == name else f"{name} ({found.name}) answers from now on.")
        return
    for model in await client.models():
        names = (model.name, *model.aliases)
        note(f"{'*' if conversation.settings.model in names else ' '} {', '.join(names)}")


async def _system(_: AsyncClient, conversation: Conversation, text: str) -> None:
    conversation.system = text
    note("The model is instructed so from now on." if text else "The model has no instructions from now on.")


async def _clear(_: AsyncClient, conversation: Conversation, __: str) -> None:
    conversation.turns.clear()
    note("Forgotten: the next question begins a new conversation.")


async def _save(_: AsyncClient, conversation: Conversation, name: str) -> None:
    note(_saved(conversation, name) if name else "error: name a file, as in /save talk.md")


def _saved(conversation: Conversation, name: str) -> str:
    """Writes the file. Returns what to tell the user."""
    try:
        path = Path(name).expanduser()
        text = MessageToJson(conversation.request()) if path.suffix == ".json" else _markdown(conversation)
        with path.open("x", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except FileExistsError:
        return f"error: {name} exists: name another file"
    except (OSError, RuntimeError, ValueError) as fault:
        return f"error: {name} cannot be written: {getattr(fault, 'strerror', None) or fault}"
    return f"Saved to {path}."


async def _help(_: AsyncClient, __: Conversation, ___: str) -> None:
    note(HELP)


def _markdown(conversation: Conversation) -> str:
    said = [("System", conversation.system)] if conversation.system else []
    for turn in conversation.turns:
        said.append(("User", turn.question))
        said.append(("Assistant (stopped before its end)" if turn.is_cut else "Assistant", text_of_turn(turn)))
    return "\n\n".join((f"# {conversation.settings.model}", *(f"## {who}\n\n{text}" for who, text in said)))


COMMANDS: dict[str, Command] = {"model": _model, "system": _system, "clear": _clear, "save": _save, "help": _help}
