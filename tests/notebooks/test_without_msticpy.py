"""The bridge to msticpy where msticpy is not, as in the environment of these tests (tests/msticpy has the others)."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_missing_extra_is_named() -> None:
    """In a process of its own, where nothing has imported anything yet."""
    code = "import sys; sys.modules['msticpy'] = None; import acrwatch.notebook.msticpy_driver"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 1
    assert "pip install 'acrwatch[msticpy]'" in found.stderr


def test_its_lock_has_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements-msticpy.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^([a-z0-9.-]+)==", lock, re.MULTILINE)
    assert {"msticpy", "pandas", "pytest"} <= set(pinned)
    assert lock.count("--hash=sha256:") >= len(pinned)
    assert "://" not in lock
    assert re.search(r"^pandas==2\.", lock, re.MULTILINE)


def test_every_query_of_the_bridge_names_relations_that_there_are() -> None:
    queries = (ROOT / "acrwatch" / "notebook" / "msticpy_queries" / "acrwatch.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"FROM (\w+)", queries)) == {"events", "activity", "alerts"}
