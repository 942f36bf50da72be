"""The dialect of OpenAI's completions, as a client speaks it: pure functions between that wire and our messages."""

from dragoman_service.dialects.openai.client.errors import error_in_answer, error_of_status
from dragoman_service.dialects.openai.client.messages import last_words
from dragoman_service.dialects.openai.client.quirks import LLAMA_CPP, OPENAI, Habits
from dragoman_service.dialects.openai.client.request import chat_completion, completion_of_prompt
from dragoman_service.dialects.openai.client.response import AnswerDecoder, IncompleteAnswerError
from dragoman_service.dialects.sse import DONE, SseDecoder

__all__ = [
    "DONE",
    "LLAMA_CPP",
    "OPENAI",
    "AnswerDecoder",
    "Habits",
    "IncompleteAnswerError",
    "SseDecoder",
    "chat_completion",
    "completion_of_prompt",
    "error_in_answer",
    "error_of_status",
    "last_words",
]
