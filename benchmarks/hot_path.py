"""Where the microseconds go between an event hub and the committed Delta table.

    python -m benchmarks.hot_path [--records N]

The functions in which the work is done are wrapped by stop watches, and one hub is read into a new lake. Each thread
keeps the stages that it is in on a stack, so a stage counts only what no inner stage counts. Processor time is the
thread's own (the machine's other work hardly shows); elapsed time also holds waits, for the disk and for the lock of
the interpreter, and since threads overlap it does not add up to the whole.
"""

import argparse
import functools
import importlib
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.ingest import from_hub
from benchmarks.loaded_hub import loaded_hub
from benchmarks.machine import described

PYAMQP: Final = "azure.eventhub._pyamqp"
READER, DECODER, STORER = "reader", "decoder", "storer"

# Thread, stage, and the functions in it: module, and name within.
STAGES: Final = (
    (READER, "event loop of the client: frames, waits, copies", (("ingest.eventhub.reader", "Reader._run"),)),
    (READER, "socket", (("asyncio.selector_events", "_SelectorSocketTransport._read_ready__data_received"),)),
    (READER, "AMQP: parsing frames", ((f"{PYAMQP}.aio._transport_async", "decode_frame"),)),
    (READER, "AMQP: parsing messages", ((f"{PYAMQP}.aio._receiver_async", "decode_payload"),)),
    (
        READER,
        "messages: the client's objects, then ours",
        (
            ("azure.eventhub._common", "EventData._from_message"),
            ("ingest.eventhub.hub", "_arrived"),
            ("ingest.eventhub.partition", "Partition.accept"),
            ("ingest.eventhub.buffer", "MessageBuffer.add"),
        ),
    ),
    (DECODER, "the rest of normalising", (("ingest.normalise", "Normaliser.batch"),)),
    (DECODER, "JSON to structs", (("ingest.fast_columns", "Decoders.decode"), ("ingest.wire", "decode_record"))),
    (DECODER, "search for U+0000", (("ingest.wire", "may_hold_null"),)),
    (DECODER, "structs to columns, absent words", (("ingest.wire", "_transposed"),)),
    (DECODER, "times, durations, checks", (("ingest.wire", "WireReader.columns"),)),
    (DECODER, "event ids", (("ingest.batch", "EventBatch._ids"),)),
    (DECODER, "derived columns", (("ingest.batch", "EventBatch._derived"),)),
    (DECODER, "columns to Arrow", (("ingest.batch", "EventBatch._flush"), ("ingest.batch", "EventBatch._positions"))),
    (STORER, "the rest of the pipeline", (("ingest.pipeline", "Pipeline.run_once"),)),
    (STORER, "waiting for messages", (("ingest.sources.eventhub", "EventHubSource.poll"),)),
    (STORER, "waiting for the decoder", (("ingest.decoding", "Batch.decoded"),)),
    (STORER, "the rest of the commit, Delta log", (("storage.lake.table", "Lake.commit"),)),
    (
        STORER,
        "checks, positions, dates, statistics",
        (
            ("storage.lake.table", "check_rows"),
            ("storage.lake.table", "_drop_redelivered"),
            ("storage.lake.draft", "statistics"),
        ),
    ),
    (STORER, "de-duplication", (("storage.lake.seen", "SeenIds.fresh"), ("storage.lake.seen", "SeenIds.learn"))),
    (STORER, "Parquet: encoding and zstd", (("storage.lake.parquet", "pq.write_table"),)),
    (STORER, "fsync", (("os", "fsync"),)),
    (
        STORER,
        "SQL",
        (
            ("sqlalchemy.engine.default", "DefaultDialect.do_execute"),
            ("sqlalchemy.engine.default", "DefaultDialect.do_executemany"),
            ("sqlalchemy.engine.default", "DefaultDialect.do_commit"),
        ),
    ),
)


@dataclass(slots=True)
class Spent:
    """Seconds in one stage, without its inner stages."""

    processor: float = 0.0
    elapsed: float = 0.0


@dataclass(slots=True)
class Watches:
    """Times by stage; each thread writes to stages of its own, but for SQL and fsync, which the storer does most of."""

    spent: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    _inner: threading.local = field(default_factory=threading.local)

    def watched(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return `work` with a stop watch of this stage around it."""
        spent = self.spent[stage]

        @functools.wraps(work)
        def timed(*given: Any, **named: Any) -> Any:
            outer: Spent = getattr(self._inner, "of", Spent())
            mine = self._inner.of = Spent()
            processor, elapsed = time.thread_time(), time.perf_counter()
            try:
                return work(*given, **named)
            finally:
                processor, elapsed = time.thread_time() - processor, time.perf_counter() - elapsed
                spent.processor += processor - mine.processor
                spent.elapsed += elapsed - mine.elapsed
                outer.processor += processor
                outer.elapsed += elapsed
                self._inner.of = outer

        return timed

    def wrap(self, stage: str, module: str, name: str) -> None:
        """Put a stop watch around a function, method or class method, wherever it is called from."""
        *owners, last = name.split(".")
        owner = functools.reduce(getattr, owners, importlib.import_module(module))
        found = vars(owner)[last]
        if isinstance(found, classmethod):
            setattr(owner, last, classmethod(self.watched(stage, found.__func__)))
        else:
            setattr(owner, last, self.watched(stage, found))


def main() -> None:
    """Read one hub and print a row for each stage."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--records", type=int, default=1_000_000)
    given = options.parse_args()
    watches = Watches()
    for _, stage, functions in STAGES:
        for module, name in functions:
            watches.wrap(stage, module, name)
    with loaded_hub(given.records) as connection_string, tempfile.TemporaryDirectory() as folder:
        run = from_hub(connection_string, Path(folder))
    print(f"{described()}; {run.rows} records, {run.rows / run.seconds:,.0f} a second under watch\n")
    print("| thread | stage | processor, µs a record | elapsed |\n|---|---|--:|--:|")
    for thread, stage, _ in STAGES:
        spent = watches.spent[stage]
        print(f"| {thread} | {stage} | {spent.processor / run.rows * 1e6:.2f} | {spent.elapsed / run.rows * 1e6:.2f} |")
    seen = sum(spent.processor for spent in watches.spent.values())
    others = (run.busy - seen) / run.rows * 1e6
    print(f"| others | Arrow's and delta-rs's own threads, start | {others:.2f} | |")
    print(f"| | **together** | **{run.busy / run.rows * 1e6:.2f}** | {run.seconds / run.rows * 1e6:.2f} |")


if __name__ == "__main__":
    main()
