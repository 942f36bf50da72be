"""The laws of dialects catch servers that lose what was found, or state, though their pair claims to carry it."""

from __future__ import annotations

import pytest
import test_dialect_laws as pairs
from dragoman import v1
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.server.dialect import SseDialect
from test_dialect_laws_catch import quickly

__all__ = ["quickly"]


class Findings(SseDialect):
    """A server that changes what was found, in complete answers."""

    def __init__(self):
        super().__init__(Api.GEMINI, stream=True)

    def encode_completion(self, completion, decoded):
        changed = v1.Completion()
        changed.CopyFrom(completion)
        self.change(changed)
        return super().encode_completion(changed, decoded)


class LosesThePromptsSafety(Findings):
    def change(self, completion):
        completion.prompt_safety.ClearField("ratings")


class LosesRatings(Findings):
    def change(self, completion):
        for choice in completion.choices:
            choice.safety.ClearField("ratings")


class MovesCitations(Findings):
    def change(self, completion):
        for choice in completion.choices:
            for citation in choice.citations:
                citation.start_index += 1


class LosesState(Findings):
    def change(self, completion):
        for choice in completion.choices:
            for part in choice.message.parts:
                part.ClearField("state")


class KeepsStateToItself(SseDialect):
    def __init__(self):
        super().__init__(Api.GEMINI, stream=True)

    def decode_request(self, wire):
        decoded = super().decode_request(wire)
        for message in decoded.request.messages:
            for part in message.parts:
                part.ClearField("state")
        return decoded


FINDINGS = {
    LosesThePromptsSafety: "a_complete_answer_comes_back_as_it_was",
    LosesRatings: "a_complete_answer_comes_back_as_it_was",
    MovesCitations: "a_complete_answer_comes_back_as_it_was",
    LosesState: "a_complete_answer_comes_back_as_it_was",
    KeepsStateToItself: "a_request_comes_back_as_it_was",
}


@pytest.mark.parametrize(("server", "law"), FINDINGS.items())
def test_a_server_that_loses_what_its_pair_claims_is_caught(server, law):
    laws = pairs.TestGemini()
    laws.server = server()
    with pytest.raises(AssertionError):
        getattr(laws, f"test_{law}")()
