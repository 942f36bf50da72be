"""Measures the cost of a gateway against direct calls: Dragoman, a bare gRPC server and LiteLLM, in one run.

The gateways run on one core, the client and the stand-in for the upstream on another. All targets are measured in
turn, round after round, so that the ratios hold on any machine. A run takes less than 4 minutes. `--quick` takes about
50 s, more on a busy machine, and is only good for ratios. Linux only. docs/performance.md explains how it measures and
shows a run. `make bench` runs it.
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

ROUNDS, WARM_UP = 3, 0.1  # WARM_UP is a fraction of a whole round
QUICK = 0.3  # fraction of a whole round, of which --quick runs one
LONGEST = 190.0  # seconds for all rounds; no round starts that would end later
Samples = dict[tuple[str, str], list[Sample]]


def main() -> None:
    options = arguments()
    if not hasattr(os, "sched_setaffinity"):
        print("bench/relay.py pins processes to cores and reads /proc: it runs on Linux only. Skipped.")
        return
    if options.litellm:
        litellm.install()
    else:
        say("LiteLLM is not measured, because of --without-litellm.")
    began, busy = time.monotonic(), machine.busy()
    result = uvloop.run(measure(options))
    seconds = time.monotonic() - began
    result["run"] = {"command": " ".join(["python", *sys.argv]), "seconds": round(seconds), **machine.description()}
    result["run"]["other_programs"] = round((machine.busy() - busy - result.pop("ours")) / seconds, 2)
    print(json.dumps(result, indent=1, ensure_ascii=False) if options.json else "\n".join(report(result)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round: about 50 s, more if the machine is busy")
    parser.add_argument("--without-litellm", dest="litellm", action="store_false", help="leave LiteLLM out")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of tables")
    return parser.parse_args()


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the figures, the memory of the gateways, and the CPU time that the whole measurement used."""
    cores = sorted(os.sched_getaffinity(0))
    samples: Samples = {}
    with tempfile.TemporaryDirectory() as folder:
        async with targets(Path(folder), (cores[0], cores[-1]), with_litellm=options.litellm) as started:
            say("Warming up")
            await measure_round({}, loads(WARM_UP), started)
            done = await measure_rounds(samples, 1 if options.quick else ROUNDS, options.quick, started)
            memory = {target.name: target.program.memory() for target in started.targets if target.program}
            ours = time.process_time() + sum(program.cpu() for program in {started.upstream, *started.programs})
    return {"figures": figures(samples), "memory_mib": memory, "rounds": done, "ours": ours}


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


def report(result: dict[str, Any]) -> Iterator[str]:
    yield from table.lines(result["figures"], result["memory_mib"])
    facts = result["run"]
    yield ""
    yield f"{facts['command']}: {result['rounds']} rounds, {facts['seconds']} s. {facts['processor']}, {facts['cores']}"
    yield f"cores, {facts['system']}, Python {facts['python']}, grpcio {facts['grpcio']}, aiohttp {facts['aiohttp']}."
    yield f"Other programs of this machine used {facts['other_programs']:.2f} cores meanwhile: the fewer, the better."
    if result["rounds"] < 2:
        yield "With a single round the ratios are rough."


def say(text: str) -> None:
    """Reports progress on stderr, because stdout is for the figures."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
