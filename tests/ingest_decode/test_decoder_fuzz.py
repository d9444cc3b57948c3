"""A short run of what `python -m benchmarks.fuzz --target decoder` does with a million inputs."""

from random import Random

from hypothesis import given, settings

from tests.ingest_decode.fuzz_renderings import judge_renderings
from tests.ingest_decode.fuzz_strategies import BODIES
from tests.ingest_decode.fuzz_tables import new_normaliser
from tests.ingest_decode.fuzzing import DecoderFuzz

SEED = 20261122


def test_both_paths_come_to_the_same_of_any_body_and_account_for_every_record() -> None:
    target, chance = DecoderFuzz(), Random(SEED)
    for _ in range(2_500):
        target.judge(target.make(chance))
    target.settle()
    counts = target.outcomes
    assert min(counts["events"], counts["rejects"], counts["skipped"]) > 50  # else the inputs would test little


@settings(max_examples=150)
@given(BODIES)
def test_the_same_holds_of_what_hypothesis_makes(body: bytes) -> None:
    target = DecoderFuzz()
    target.judge(body)
    target.settle()


def test_an_event_has_one_id_and_one_row_however_it_is_written_and_whatever_stands_beside_it() -> None:
    normaliser, chance = new_normaliser(), Random(SEED)
    for _ in range(300):
        judge_renderings(chance, normaliser)
