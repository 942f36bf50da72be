"""What a gateway costs beside the same calls made directly: ours, a bare gRPC server and LiteLLM, in one run.

The gateways run on one core, the upstream's stand-in and the client on another; all are asked in turn, round after
round, so that ratios hold on any machine. Under 4 minutes; `--quick` takes about 50 s, more on a busy machine, and is
good for ratios only.
Linux only. docs/performance.md tells how it measures and shows a run. `make bench` runs it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop
from relaying import litellm, machine, table
from relaying.figures import figures
from relaying.gateways import Started, targets
from relaying.loads import Load, Sample, loads, run

ROUNDS, WARM_UP = 3, 0.1  # of a whole round
QUICK = 0.3  # of a whole round, and there is only one
LONGEST = 190.0  # seconds for all rounds; none is begun that would end later
Samples = dict[tuple[str, str], list[Sample]]


def main() -> None:
    asked = arguments()
    if not hasattr(os, "sched_setaffinity"):
        print("bench/relay.py pins processes to cores and reads /proc: it runs on Linux only. Skipped.")
        return
    if asked.litellm:
        litellm.install()
    else:
        say("Without LiteLLM, as asked.")
    began, busy = time.monotonic(), machine.busy()
    told = uvloop.run(measure(asked))
    seconds = time.monotonic() - began
    told["run"] = {"command": " ".join(["python", *sys.argv]), "seconds": round(seconds), **machine.description()}
    told["run"]["other_programs"] = round((machine.busy() - busy - told.pop("ours")) / seconds, 2)
    print(json.dumps(told, indent=1, ensure_ascii=False) if asked.json else "\n".join(report(told)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round: about 50 s, more if the machine is busy")
    parser.add_argument("--without-litellm", dest="litellm", action="store_false", help="measure only the others")
    parser.add_argument("--json", action="store_true", help="write the figures as JSON, not as tables")
    return parser.parse_args()


async def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """The figures, the memory of the gateways, and the CPU time that all of it took."""
    cores = sorted(os.sched_getaffinity(0))
    samples: Samples = {}
    with tempfile.TemporaryDirectory() as folder:
        async with targets(Path(folder), (cores[0], cores[-1]), with_litellm=asked.litellm) as started:
            say("Warming up")
            await measure_round({}, loads(WARM_UP), started)
            done = await measure_rounds(samples, 1 if asked.quick else ROUNDS, asked.quick, started)
            memory = {target.name: target.program.memory() for target in started.targets if target.program}
            ours = time.process_time() + sum(program.cpu() for program in {started.upstream, *started.programs})
    return {"figures": figures(samples), "memory_mib": memory, "rounds": done, "ours": ours}


async def measure_rounds(samples: Samples, rounds: int, quick: bool, started: Started) -> int:
    """How many there were: fewer than were wanted where the machine is slow."""
    ends = time.monotonic() + LONGEST
    for number in range(rounds):
        say(f"Round {number + 1} of {rounds}")
        began = time.monotonic()
        await measure_round(samples, loads(QUICK if quick else 1.0), started)
        if 2 * time.monotonic() - began > ends and number + 1 < rounds:
            say("The machine is slow or busy: there is no time for another round.")
            return number + 1
    return rounds


async def measure_round(samples: Samples, asked: list[Load], started: Started) -> None:
    for load in asked:
        for target in started.targets:
            sample = await run(load, target, started)
            samples.setdefault((target.name, load.name), []).append(sample)


def report(told: dict[str, Any]) -> Iterator[str]:
    yield from table.lines(told["figures"], told["memory_mib"])
    facts = told["run"]
    yield ""
    yield f"{facts['command']}: {told['rounds']} rounds, {facts['seconds']} s. {facts['processor']}, {facts['cores']}"
    yield f"cores, {facts['system']}, Python {facts['python']}, grpcio {facts['grpcio']}, aiohttp {facts['aiohttp']}."
    yield f"Other programs of this machine used {facts['other_programs']:.2f} cores meanwhile: the fewer, the better."
    if told["rounds"] < 2:
        yield "One round is no median: take the ratios for rough."


def say(text: str) -> None:
    """Tells whoever waits; stdout is for the figures."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
