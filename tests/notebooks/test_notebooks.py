"""Every notebook runs from its first cell to its last, and is stored as it was written: without what it printed."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from acrwatch.core.errors import ConfigError
from acrwatch.notebook.example import attacks, example

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@dataclass(frozen=True)
class Runner:
    """Runs notebooks in a folder, in which the example then is."""

    folder: Path
    run: Callable[[Any], Any]


def of_one_cell(source: str) -> Any:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "one",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
    made = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return nbformat.from_dict(made)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """Return what runs a notebook as if it were the first: nothing of another one's names is left.

    One kernel for all, for starting one and importing pandas and Altair is most of what a small notebook takes; and one
    folder, so that the example is made once. It speaks over sockets of the file system, whose names are short.
    """
    with tempfile.TemporaryDirectory(prefix="nb") as name:
        folder = Path(name)
        manager = KernelManager(kernel_name="python3", transport="ipc", ip=str(folder / "k"))
        manager.connection_file = str(folder / "kernel.json")
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("IPYTHONDIR", str(folder / "ipython"))
            manager.start_kernel(cwd=name)
        channels = manager.client()
        channels.start_channels()
        try:
            channels.wait_for_ready(timeout=60)

            def ran(notebook: Any) -> Any:
                for one in (of_one_cell("%reset -f"), notebook):
                    client = NotebookClient(one, km=manager, timeout=100, resources={"metadata": {"path": name}})
                    client.kc = channels
                    client.execute()
                return notebook

            yield Runner(folder, ran)
        finally:
            channels.stop_channels()
            manager.shutdown_kernel(now=True)
            manager.cleanup_resources()


def test_there_are_notebooks() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_says_nothing_on_stderr(path: Path, runner: Runner) -> None:
    notebook = runner.run(nbformat.read(path, as_version=4))  # type: ignore[no-untyped-call]
    outputs = [(cell["source"], one) for cell in notebook.cells if cell.cell_type == "code" for one in cell.outputs]
    assert [(source, one.text) for source, one in outputs if one.get("name") == "stderr"] == []
    assert sum("image/svg+xml" in one.get("data", {}) for _, one in outputs) >= 1
    shown = json.dumps([one for _, one in outputs])
    assert "Empty DataFrame" not in shown  # a table without rows shows nothing to a reader


def test_a_cell_that_fails_is_noticed(runner: Runner) -> None:
    with pytest.raises(CellExecutionError):
        runner.run(of_one_cell("1 / 0"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs_and_with_prose(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    prose = sum(len("".join(cell["source"])) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert notebook["cells"][0]["source"][0].startswith("# ")
    assert prose > 1_000


def test_the_example_raises_an_alert_for_each_attack_that_does_not_evade_its_rule(runner: Runner) -> None:
    alerts = example(runner.folder / "example-world").alerts()
    named = {
        (rule, one["value"]) for rule, found in zip(alerts["rule"], alerts["entities"], strict=True) for one in found
    }
    for attack in attacks():
        assert ((attack.rule, attack.identity) in named) is not attack.evasive, attack.kind


def test_the_example_is_the_one_that_the_prose_tells_of(runner: Runner) -> None:
    """If this fails, the simulation or a rule has changed: read the notebooks again, and write what is so now."""
    client = example(runner.folder / "example-world")
    mass = client.alerts(rule="mass-delete").sort_values("first_seen")
    assert [time.day_name() for time in mass["first_seen"]] == ["Sunday", "Sunday", "Sunday", "Friday"]
    assert client.alerts()["rule"].value_counts().idxmax() == "mass-delete"
    odd = client.alerts("14d", rule="anomalous-source-ip").sort_values("first_seen")
    assert [time.hour for time in odd["first_seen"]] == [2]
    blocks = client.alerts("14d", rule="anomalous-source-ip", status="building-block").sort_values("first_seen")
    assert [time.hour for time in blocks["first_seen"]] == [12, 10]
    outside = client.alerts("7d", rule="pull-outside-allowed-ranges")
    assert len(outside) == 1
    week = client.events("7d")["event_time"].dt.day_name().value_counts()
    assert set(week.index[-2:]) == {"Sunday", "Saturday"}
    assert week.iloc[-2] < week.iloc[-3] / 2
    pulls = client.events(registry="contoso", operation="pull")
    polled = pulls[pulls["identity_kind"] == "token"].groupby("identity", observed=True)["repository"].nunique()
    assert polled.to_dict() == {"site-berlin-pull-r172": 1, "site-berlin-pull-r173": 1, "site-malmo-pull": 10}
    (evading,) = (one for one in attacks() if one.kind == "mass-delete-nineteen")
    times = client.events(identity=evading.identity, operation="delete")["event_time"].sort_values()
    runs = (times.diff() > timedelta(minutes=9)).cumsum()
    assert times.groupby(runs).size().tolist() == [19, 19, 19]
    assert times.groupby(runs).agg(lambda some: some.max() - some.min()).max() < timedelta(minutes=9)


def test_an_example_is_made_in_no_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty, and no example"):
        example(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_an_example_of_another_version_is_not_taken_for_this_one(tmp_path: Path) -> None:
    (tmp_path / "world.json").write_text('{"seed": 1}')
    with pytest.raises(ConfigError, match="an example of another version"):
        example(tmp_path)
