"""A few thousand seeded random inputs; `python -m benchmarks.fuzz_amqp` judges a million."""

import contextlib

from tests.devhub.fuzzing import Fuzzer, run

SEED = 20261122


def test_no_input_gets_anything_but_a_refusal_out_of_decoder_and_connection() -> None:
    decoding, connections = run(SEED, decoder_inputs=30_000, connection_inputs=1500)
    assert 10_000 < decoding < 29_000  # inputs that are all refused at once, or all taken, would test nothing
    assert 100 < connections < 1400


def test_the_inputs_reach_the_log() -> None:
    with contextlib.closing(Fuzzer(SEED)) as fuzzer:
        for _ in range(300):
            fuzzer.judge_connection()
        assert fuzzer.broker.hub("acr-audit").partition(0).state().last_sequence_number > 20
