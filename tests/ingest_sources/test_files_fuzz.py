"""A short run of what `python -m benchmarks.fuzz --target files` does with a million inputs."""

from random import Random

from hypothesis import given, settings

from tests.ingest_sources.fuzz_files import FilesFuzz

SEED = 20261122


def test_all_records_come_out_of_any_file_and_cutting_its_blocks_makes_no_difference() -> None:
    target, chance = FilesFuzz(SEED), Random(SEED)
    for _ in range(1_500):
        target.step(chance)
    counts = target.outcomes
    assert min(counts[name] for name in ("files whole", "files damaged")) > 400
    assert min(counts[name] for name in ("damaged_gzip", "truncated_gzip", "not_gzip")) > 30


@settings(max_examples=100)
@given(FilesFuzz().strategy())
def test_the_same_holds_of_what_hypothesis_makes(data: bytes) -> None:
    FilesFuzz().judge(data)


def test_a_long_file_is_read_in_bounded_memory() -> None:
    target = FilesFuzz(SEED)
    for seed in range(2):
        target.judge_long(b'{"a": "' + b"x" * 500 + b'"}\n', Random(seed))
    assert target.outcomes["long files"] == 2
