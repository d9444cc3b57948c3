"""A few thousand seeded random inputs; `python -m benchmarks.fuzz --target amqp` judges a million."""

import contextlib
from random import Random

from hypothesis import given, settings

from tests.devhub.fuzz_codec import AmqpFuzz
from tests.devhub.fuzzing import Fuzzer, run

SEED = 20261122


def test_no_input_gets_anything_but_a_refusal_out_of_decoder_and_connection() -> None:
    decoding, connections = run(SEED, decoder_inputs=20_000, connection_inputs=1000)
    assert 7_000 < decoding < 19_000  # inputs that are all refused at once, or all taken, would test nothing
    assert 70 < connections < 930


def test_the_inputs_reach_the_log() -> None:
    with contextlib.closing(Fuzzer(SEED)) as fuzzer:
        for _ in range(300):
            fuzzer.judge_connection()
        assert fuzzer.broker.hub("acr-audit").partition(0).state().last_sequence_number > 20


def test_values_come_back_and_streams_cut_anywhere_get_the_same_answer() -> None:
    chance = Random(SEED)
    with contextlib.closing(AmqpFuzz(SEED)) as target:
        for _ in range(5_000):
            target.step(chance)
        counts = target.outcomes
    assert min(counts[f"{kind} taken"] for kind in ("values", "messages", "frames", "conversations")) > 50
    assert min(counts[f"{kind} refused"] for kind in ("values", "messages", "frames", "conversations")) > 50


def test_the_same_holds_of_what_hypothesis_makes() -> None:
    with contextlib.closing(AmqpFuzz(SEED)) as target:

        @settings(max_examples=150)
        @given(target.strategy())
        def judge(data: bytes) -> None:
            target.judge(data)

        judge()
