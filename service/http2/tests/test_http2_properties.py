"""Whatever the bytes and the calls: the same events however the bytes are cut, no crash, and no limit exceeded."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

from dragoman_http2 import CLOSED, DATA, PONG, REQUEST, RESET, TRAILERS, WRITABLE, Session, SessionError
from http2_peer import HEADERS, OPENING, body, frames, head, opened, written
from http2_peer import TRAILERS as STATUS
from hyperframe.frame import DataFrame, Frame, PingFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))
PATIENT = settings(max_examples=100 * FACTOR, deadline=None, suppress_health_check=[HealthCheck.too_slow])
STREAMS = st.sampled_from([1, 3, 5, 7])
BODIES = st.binary(max_size=300)


def frame_strategy() -> st.SearchStrategy[Frame]:
    ends = st.booleans()
    return st.one_of(
        st.builds(lambda stream, end: head(stream, end=end), STREAMS, ends),
        st.builds(lambda stream, end: head(stream, end=end, fields=STATUS), STREAMS, ends),
        st.builds(lambda stream, data, end: body(stream, data, end=end), STREAMS, BODIES, ends),
        st.builds(
            lambda stream, data, pad: DataFrame(stream, data, pad_length=pad, flags=["PADDED"]),
            STREAMS,
            BODIES,
            st.integers(0, 20),
        ),
        st.builds(lambda stream: RstStreamFrame(stream, error_code=8), STREAMS),
        st.builds(
            lambda stream, size: WindowUpdateFrame(stream, window_increment=size),
            STREAMS | st.just(0),
            st.integers(1, 2**31 - 1),
        ),
        st.builds(lambda size: SettingsFrame(0, {4: size}), st.integers(0, 2**31 - 1)),
        st.builds(lambda flags: PingFrame(0, b"12345678", flags=flags), st.sampled_from([[], ["ACK"]])),
    )


def read(session: Session, pieces: list[bytes]) -> tuple[list[Any], str, list[bytes]]:
    """All events, the bodies joined; how the session failed; what it wrote, in any order."""
    events: list[Any] = []
    reason = ""
    try:
        for piece in pieces:
            events += session.receive(piece)
    except SessionError as error:
        reason = error.reason
    events += session.events()
    return joined(events), reason, sorted(frame.serialize() for frame in written(session))


def joined(events: list[Any]) -> list[Any]:
    found: list[Any] = []
    for event in events:
        if event[0] == DATA and found and found[-1][:2] == event[:2]:
            found[-1] = (*event[:2], found[-1][2] + event[2], event[3])
        else:
            found.append(event)
    return [event for event in found if event[0] != DATA or event[2] or event[3]]


def conversation(steps: list[tuple[int, bytes]]) -> list[Frame]:
    """Frames as a client may send them: each step goes on with a stream, or opens the next."""
    sent: list[Frame] = []
    live: list[int] = []
    for number, (choice, data) in enumerate(steps):
        stream = live[choice % len(live)] if live and choice < 12 else 2 * number + 1
        if stream not in live:
            live.append(stream)
            sent.append(head(stream, end=choice == 15))
        elif choice < 8:
            sent.append(DataFrame(stream, data, pad_length=choice, flags=["PADDED"] if choice else []))
        else:
            sent.append(
                [head(stream, fields=STATUS), body(stream, data), RstStreamFrame(stream), PingFrame(0, b"12345678")][
                    choice - 8
                ]
            )
        if choice in (8, 9, 10, 15):
            live.remove(stream)
    return sent


@PATIENT
@given(st.lists(st.tuples(st.integers(0, 15), BODIES), max_size=20), st.lists(st.integers(0, 4000), max_size=12))
def test_how_the_bytes_are_cut_changes_nothing(steps: list[tuple[int, bytes]], cuts: list[int]):
    data = OPENING + frames(*conversation(steps))
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [data[start:end] for start, end in pairwise(places)]

    whole, cut, single = (read(Session(), parts) for parts in ([data], pieces, [bytes([byte]) for byte in data]))

    assert whole[1] == ""
    assert cut == whole
    assert single == whole


CALLS = st.one_of(
    st.tuples(st.just("receive"), st.lists(frame_strategy(), min_size=1, max_size=4)),
    st.tuples(st.just("take"), st.sampled_from([1, 100, 65536])),
    st.tuples(st.just("respond"), STREAMS),
    st.tuples(st.just("send"), STREAMS, st.integers(0, 70_000)),
    st.tuples(st.just("end"), STREAMS, st.booleans()),
    st.tuples(st.just("answer"), STREAMS, BODIES),
    st.tuples(st.just("fail"), STREAMS),
    st.tuples(st.just("reset"), STREAMS, st.integers(0, 13)),
    st.tuples(st.just("consume"), STREAMS, st.integers(0, 100_000)),
    st.tuples(st.just("ping")),
    st.tuples(st.just("notice")),
    st.tuples(st.just("goaway"), st.sampled_from([0, 2])),
)


class Caller:
    """Makes any call, and holds the events against what may follow what."""

    def __init__(self) -> None:
        self.session = opened(max_streams=3, high_water=1000, low_water=100)
        self.alive: set[int] = set()
        self.complete: set[int] = set()
        self.dropped: set[int] = set()

    def make(self, name: str, *values: Any) -> None:
        if name == "receive":
            values = (frames(*values[0]),)
        elif name in ("respond", "fail"):
            values = (*values, HEADERS)
        elif name == "send":
            values = (values[0], b"x" * values[1])
        elif name == "end":
            values = (values[0], STATUS if values[1] else [])
        elif name == "answer":
            values = (values[0], HEADERS, values[1], STATUS)
        elif name == "ping":
            values = (b"abcdefgh",)
        if name == "reset" and values[0] in self.alive:
            self.dropped.add(values[0])
            self.alive.discard(values[0])
        result = getattr(self.session, name)(*values)
        if name == "receive":
            self.check(result)
        self.check(self.session.events())
        assert len(self.alive) <= self.session.streams <= 3

    def check(self, events: list[Any]) -> None:
        for kind, stream, *rest in events:
            assert stream not in self.dropped
            if kind == REQUEST:
                assert stream not in self.alive
                self.alive.add(stream)
            elif kind != PONG and stream:
                assert stream in self.alive
            if kind in (DATA, TRAILERS):
                assert stream not in self.complete
            if kind == TRAILERS or (kind in (REQUEST, DATA) and rest[1]):
                self.complete.add(stream)
            if kind in (RESET, CLOSED):
                self.alive.discard(stream)
            assert kind != WRITABLE or rest == [0]


@PATIENT
@given(st.lists(CALLS, max_size=40))
def test_any_order_of_calls_keeps_the_promises(calls: list[Any]):
    caller = Caller()
    misused: list[str] = []
    for call in calls:
        try:
            caller.make(*call)
        except RuntimeError as error:
            misused.append(str(error))
        except SessionError:
            break
    assert not [reason for reason in misused if "nghttp2" in reason]  # the session was misused, not the library
    while caller.session.take():
        pass
