"""One engine over one target, in a process of its own: `python -m benchmarks.fuzz_engine seeded decoder 1000 1`.

The last line on stdout is one JSON object: engine, target, inputs, seconds, outcomes. The first input for which a
property does not hold ends the process with an error: the traceback, and the input or its block, stand on stderr. Three
engines:

- `atheris`: libFuzzer, guided by the coverage of our modules, with the target's own mutator beside its own;
- `seeded`: the target's generator, the same inputs for the same seed;
- `hypothesis`: strategies, shrunk to the smallest input that fails.
"""

import importlib
import importlib.util
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

ENGINES: Final = ("atheris", "seeded", "hypothesis")
# Nothing of a target may be imported before atheris instruments it: hence names.
TARGETS: Final = {
    "decoder": ("tests.ingest_decode.fuzzing", "DecoderFuzz", ("ingest", "acrwatch.core")),
    "amqp": ("tests.devhub.fuzz_codec", "AmqpFuzz", ("acrwatch.devhub",)),
    "files": ("tests.ingest_sources.fuzz_files", "FilesFuzz", ("ingest.files",)),
}
# Long inputs cost much and reach little; `seeded` makes some of 300 kB.
_MAX_LENGTH: Final = 2_048
_CORPUS: Final = 200
_OWN_MUTATIONS: Final = 0.5  # share of mutations that know the structure
_BLOCK: Final = 10_000  # seeded inputs with one seed


class Target(Protocol):
    """What is fuzzed: makes inputs and judges them."""

    outcomes: Counter[str]

    def make(self, chance: random.Random) -> bytes: ...
    def change(self, data: bytes, chance: random.Random) -> bytes: ...
    def step(self, chance: random.Random) -> None: ...
    def judge(self, data: bytes) -> None: ...
    def settle(self) -> None: ...
    def strategy(self) -> Any: ...
    def close(self) -> None: ...


def available() -> tuple[str, ...]:
    """Return the engines that are installed: atheris has wheels for Linux on x86-64 only."""
    return ENGINES if importlib.util.find_spec("atheris") else ENGINES[1:]


def load(name: str, seed: int) -> Target:
    """Return a target by its name."""
    module, attribute, _ = TARGETS[name]
    target: Target = getattr(importlib.import_module(module), attribute)(seed)
    return target


def seeded(name: str, inputs: int, seed: int) -> Target:
    """Judge so many generated inputs, in blocks of one seed each."""
    target = load(name, seed)
    for block in range(-(-inputs // _BLOCK)):
        chance = random.Random(f"{seed}/{block}")
        print(f"seed {seed}, block {block}", file=sys.stderr, flush=True)
        for _ in range(min(_BLOCK, inputs - block * _BLOCK)):
            target.step(chance)
    target.settle()
    return target


def hypothesis(name: str, inputs: int, seed: int) -> Target:
    """Judge so many inputs of hypothesis, each by itself, so that it can shrink what fails."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded_by

    target = load(name, seed)
    phases = (Phase.generate, Phase.shrink)
    quiet = settings(
        max_examples=inputs, deadline=None, database=None, phases=phases, suppress_health_check=list(HealthCheck)
    )

    @seeded_by(seed)
    @quiet
    @given(target.strategy())
    def judge(data: bytes) -> None:
        target.judge(data)
        target.settle()

    judge()
    return target


def atheris(name: str, inputs: int, seed: int) -> NoReturn:
    """Judge so many inputs of libFuzzer; ends the process, as libFuzzer does."""
    import atheris as engine

    with engine.instrument_imports(include=list(TARGETS[name][2]), enable_loader_override=False):
        target = load(name, seed)
    began, judged = time.perf_counter(), 0
    chance = random.Random(seed)

    def one(data: bytes) -> None:
        nonlocal judged
        holds = False
        try:
            target.judge(data)
            holds = True
        finally:  # atheris prints the traceback
            if not holds:
                print(f"input, the last of its group: {data!r}", file=sys.stderr, flush=True)
        judged += 1
        if judged >= inputs:
            target.settle()
            report("atheris", name, judged, began, target)
            sys.stdout.flush()
            os._exit(0)

    def changed(data: bytes, size: int, number: int) -> bytes:
        own = random.Random(number)
        found = target.change(data, own) if own.random() < _OWN_MUTATIONS else engine.Mutate(data, size)
        return bytes(found[:size])

    with tempfile.TemporaryDirectory() as folder:
        for number in range(_CORPUS):
            Path(folder, str(number)).write_bytes(target.make(chance)[:_MAX_LENGTH])
        options = [f"-seed={seed}", f"-max_len={_MAX_LENGTH}", "-verbosity=0", "-timeout=60", "-rss_limit_mb=3000"]
        options += [
            "-mutate_depth=2",
            f"-artifact_prefix={folder}/",
        ]  # five of our mutations in a row cost most of the time
        engine.Setup([sys.argv[0], *options, folder], one, custom_mutator=changed)
        engine.Fuzz()
    raise SystemExit("atheris ended by itself")


def report(engine: str, name: str, inputs: int, began: float, target: Target) -> None:
    """Print the one line that `benchmarks.fuzz` reads."""
    seconds = time.perf_counter() - began
    found = {"engine": engine, "target": name, "inputs": inputs, "seconds": seconds, "outcomes": target.outcomes}
    print(json.dumps(found))


def main(engine: str, name: str, inputs: int, seed: int) -> None:
    """Run one engine over one target and report."""
    if engine == "atheris":
        atheris(name, inputs, seed)
    began = time.perf_counter()
    target = (seeded if engine == "seeded" else hypothesis)(name, inputs, seed)
    report(engine, name, inputs, began, target)
    target.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
