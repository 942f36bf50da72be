"""Measures the cost of a gateway against direct calls: Dragoman, a bare gRPC server and other gateways, in one run.

The gateways run on one core, the client and the stand-in for the upstream on another. All targets are measured in
turn, round after round, so that the ratios hold on any machine. A run takes 7 minutes. `--quick` takes about 2,
more on a busy machine, and is only good for ratios. Linux only. docs/performance.md explains how it measures and
shows a run, which `--write` puts there. `make bench` runs it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop
from relaying import machine, memory
from relaying.gateways import Started, targets
from relaying.loads import Load, Sample, loads, run
from relaying.ours import HELD, OURS
from relaying.peers.bifrost import BIFROST
from relaying.peers.litellm import LITELLM
from relaying.peers.peer import Peer
from relaying.peers.portkey import PORTKEY
from relaying.results import page, plot, table
from relaying.results.figures import figures

ROUNDS, WARM_UP = 3, 0.1  # WARM_UP is a fraction of a whole round
QUICK = 0.3  # fraction of a whole round, of which --quick runs one
LONGEST = 300.0  # seconds for all rounds; no round starts that would end later
STREAMS = 5000  # that are open at once while the memory is measured
PEERS = (BIFROST, PORTKEY, LITELLM)
Samples = dict[tuple[str, str], list[Sample]]


def main() -> None:
    options = arguments()
    if options.again:
        tell(json.loads(options.again.read_text()), options)
        return
    if not hasattr(os, "sched_setaffinity"):
        print("bench/relay.py pins processes to cores and reads /proc: it runs on Linux only. Skipped.")
        return
    peers, missing = chosen(options)
    began, busy = time.monotonic(), machine.busy()
    result = uvloop.run(measure(options, peers))
    seconds = time.monotonic() - began
    result["not_measured"] = missing
    result["run"] = {"command": command(options), "seconds": round(seconds), **machine.description()}
    result["run"]["other_programs"] = max(0.0, round((machine.busy() - busy - result.pop("ours")) / seconds, 2))
    tell(result, options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round: about 2 minutes, more if busy")
    parser.add_argument("--without-litellm", dest="litellm", action="store_false", help="leave LiteLLM out")
    parser.add_argument("--without-peers", dest="peers", action="store_false", help="install and measure no peer")
    parser.add_argument("--streams", type=int, default=STREAMS, help="open while memory is measured, 5000 by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the CPU of the gateways there, as SVG")
    parser.add_argument("--write", action="store_true", help="write the run into docs/performance.md")
    parser.add_argument("--from", dest="again", type=Path, metavar="FILE", help="tell what --json wrote")
    return parser.parse_args()


def command(options: argparse.Namespace) -> str:
    """What measures the same again."""
    words = ["python bench/relay.py"]
    words += ["--quick"] if options.quick else []
    words += ["--without-peers"] if not options.peers else ["--without-litellm"] if not options.litellm else []
    words += [f"--streams {options.streams}"] if options.streams != STREAMS else []
    return " ".join(words)


def chosen(options: argparse.Namespace) -> tuple[list[Peer], dict[str, str]]:
    """The peers to measure, and why the other targets are not."""
    missing = {own.name: own.missing for own in OURS if own.missing}
    peers = []
    for peer in PEERS:
        if not options.peers or (peer is LITELLM and not options.litellm):
            why = "left out on the command line"
        else:
            why = peer.missing()
        if why:
            missing[peer.name] = why
        else:
            peers.append(peer)
    for name, why in missing.items():
        say(f"Not measured: {name}: {why}.")
    return peers, missing


async def measure(options: argparse.Namespace, peers: Sequence[Peer]) -> dict[str, Any]:
    """Returns the figures, the memory of the gateways, and the CPU time that the whole measurement used."""
    cores = sorted(os.sched_getaffinity(0))
    streams = memory.allow(options.streams)
    samples: Samples = {}
    with tempfile.TemporaryDirectory() as folder:
        async with targets(Path(folder), (cores[0], cores[-1]), peers) as started:
            found = {name: {"idle": mib} for name, mib in memory.now(started.targets).items()}
            say("Warming up")
            await measure_round({}, loads(WARM_UP), started)
            done = await measure_rounds(samples, 1 if options.quick else ROUNDS, options.quick, started)
            for name, mib in memory.now(started.targets).items():
                found[name]["after"] = mib
            await measure_streams(found, streams, started)
            ours = time.process_time() + sum(program.cpu() for program in {started.upstream, *started.programs})
    return {"figures": figures(samples), "memory_mib": found, "streams": streams, "rounds": done, "ours": ours}


async def measure_rounds(samples: Samples, rounds: int, quick: bool, started: Started) -> int:
    """Returns the number of rounds, which is less than `rounds` on a slow machine."""
    ends = time.monotonic() + LONGEST
    for number in range(rounds):
        say(f"Round {number + 1} of {rounds}")
        began = time.monotonic()
        await measure_round(samples, loads(QUICK if quick else 1.0), started)
        if 2 * time.monotonic() - began > ends and number + 1 < rounds:
            say("No time for another round: the machine is slow or busy.")
            return number + 1
    return rounds


async def measure_round(samples: Samples, planned: list[Load], started: Started) -> None:
    for load in planned:
        for target in started.targets:
            sample = await run(load, target, started)
            samples.setdefault((target.name, load.name), []).append(sample)


async def measure_streams(found: dict[str, dict[str, float]], streams: int, started: Started) -> None:
    """Adds the memory of our own targets with so many streams open."""
    own = {one.name for one in OURS} - {HELD.name}
    for target in started.targets if streams else ():
        if target.name in own:
            say(f"Opening {streams} streams: {target.name}")
            found[target.name]["streams"] = await memory.with_streams(target, streams)


def tell(result: dict[str, Any], options: argparse.Namespace) -> None:
    """Prints the tables, and writes what the options ask for."""
    print("\n".join(table.lines(result)))
    if options.json:
        options.json.write_text(page.dumped(result))
    if options.plot:
        options.plot.write_text(plot.svg(result["figures"]))
    if options.write:
        page.write(result)


def say(text: str) -> None:
    """Reports progress on stderr, because stdout is for the figures."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
