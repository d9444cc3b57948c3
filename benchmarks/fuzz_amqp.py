"""`python -m benchmarks.fuzz_amqp`: random inputs for the development hub's AMQP decoder and connections.

The first input that gets anything but a refusal out of them ends the run with its traceback; the seed of its block,
which is printed first, brings it back. Inputs are changed conversations (tests/devhub/fuzzing.py), not guided by
coverage.
"""

import argparse
import sys
import time

from benchmarks.machine import described
from tests.devhub.fuzzing import run

BLOCK = 10_000  # inputs with one seed


def main() -> None:
    """Judge blocks of inputs and print counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--connections", type=float, default=0.2, help="share that are whole conversations")
    parser.add_argument("--seed", type=int, default=1, help="of the first block")
    given = parser.parse_args()
    began, conversations = time.perf_counter(), int(BLOCK * given.connections)
    decoding = connecting = 0
    blocks = -(-given.inputs // BLOCK)
    for seed in range(given.seed, given.seed + blocks):
        print(f"block {seed}", end="\r", file=sys.stderr, flush=True)
        refused = run(seed, BLOCK - conversations, conversations)
        decoding, connecting = decoding + refused[0], connecting + refused[1]
    seconds = time.perf_counter() - began
    print(f"{described()}; seeds {given.seed} to {given.seed + blocks - 1}; {seconds:.0f} s")
    print(f"values and messages: {blocks * (BLOCK - conversations):,}, refused {decoding:,}")
    print(f"conversations:       {blocks * conversations:,}, ended by the hub {connecting:,}")
    print("anything else:       0")


if __name__ == "__main__":
    main()
