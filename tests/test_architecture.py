"""Who may import whom, where import-linter cannot see: the lone module scheduler.py, and third-party SDKs."""

import ast
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("acrwatch", "ingest", "storage", "detections", "scheduler")

# Each SDK is behind one door, so that replacing it, or working round one of its bugs, touches one place.
DOORS = {
    "azure.eventhub": ("ingest/sources/eventhub.py", "ingest/eventhub/*.py", "acrwatch/simulate/sending.py"),
    "azure.monitor.query": ("ingest/loganalytics/client.py",),
    "azure.identity": ("ingest/sources/eventhub.py", "ingest/eventhub/*.py"),
    "azure.storage": ("ingest/archive/service.py",),
    "deltalake": ("storage/lake*.py", "storage/lake/*.py"),
    "httpx": ("acrwatch/delivery/sinks/webhook.py",),
    "apscheduler": ("scheduler.py",),
    "alembic": ("storage/state/migration.py", "storage/migrations/*.py"),
    "sigma": ("detections/*.py",),
    "click": ("acrwatch/cli/*.py",),
    "rich": ("acrwatch/cli/*.py",),
    "pandas": ("acrwatch/notebook/*.py", "acrwatch/report/*.py"),
    "altair": ("acrwatch/notebook/*.py", "acrwatch/report/*.py"),
    "jinja2": ("acrwatch/report/*.py",),
    "msticpy": ("acrwatch/notebook/msticpy_driver.py",),
    "vl_convert": ("acrwatch/report/drawing.py",),
}
# What scheduler.py may use of ours: everything but the entry points and the development tools.
SCHEDULER_MAY = ("ingest", "detections", "storage", "acrwatch.delivery", "acrwatch.core")


def sources() -> list[Path]:
    found = [ROOT / "scheduler.py"]
    for package in ("acrwatch", "ingest", "storage", "detections"):
        found += sorted((ROOT / package).rglob("*.py"))
    return found


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Return every module a file imports, at any depth; `from a import b` counts as `a.b`, which covers both."""
    found: list[str] = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(found)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_scheduler_uses_only_services_storage_and_core() -> None:
    ours = [module for module in imports(ROOT / "scheduler.py") if module.partition(".")[0] in OURS]
    assert [module for module in ours if not any(within(module, allowed) for allowed in SCHEDULER_MAY)] == []


def test_only_the_command_line_imports_the_scheduler() -> None:
    users = {name(path) for path in sources() if any(within(module, "scheduler") for module in imports(path))}
    assert {user for user in users if not user.startswith("acrwatch/cli/")} == set()


@pytest.mark.parametrize("sdk", DOORS)
def test_a_third_party_library_is_imported_only_behind_its_door(sdk: str) -> None:
    users = {name(path) for path in sources() if any(within(module, sdk) for module in imports(path))}
    assert {user for user in users if not any(fnmatch(user, door) for door in DOORS[sdk])} == set()


def test_nothing_of_ours_imports_the_command_line() -> None:
    outside = [path for path in sources() if not name(path).startswith("acrwatch/cli/") and path.name != "__main__.py"]
    assert [name(path) for path in outside if any(within(module, "acrwatch.cli") for module in imports(path))] == []


def test_time_is_asked_for_in_one_place() -> None:
    """Time is passed in; what reads the computer's clock cannot be tested or replayed. APScheduler itself reads it."""
    calls = {
        name(path)
        for path in sources()
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
        if isinstance(node.value, ast.Name) and node.value.id in ("datetime", "date")
    }
    assert calls - {"scheduler.py"} == {"acrwatch/core/clock.py"}


@pytest.mark.parametrize("path", sources(), ids=name)
def test_no_file_is_longer_than_500_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500
