"""The generic names `ingest`, `storage`, `detections`, `scheduler` must be ours."""

from pathlib import Path

import pytest

from acrwatch.core.errors import ConfigError
from acrwatch.core.siblings import SIBLINGS, check_siblings


def test_our_own_packages_pass() -> None:
    check_siblings()


def test_the_four_names_of_the_design_are_checked() -> None:
    assert set(SIBLINGS) == {"ingest", "storage", "detections", "scheduler"}


@pytest.mark.parametrize("shape", ["module", "package", "namespace"])
def test_a_stranger_is_named_by_its_file_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    folder = tmp_path / "stranger_x"
    if shape == "module":
        (tmp_path / "stranger_x.py").write_text("raise SystemExit('ran')")
    else:
        folder.mkdir()
    if shape == "package":
        (folder / "__init__.py").write_text("raise SystemExit('ran')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="stranger_x") as caught:
        check_siblings(["stranger_x"])
    assert str(tmp_path) in str(caught.value)


def test_a_missing_package_is_told_apart_from_a_stranger() -> None:
    with pytest.raises(ConfigError, match="is missing"):
        check_siblings(["no_such_package_of_acrwatch"])
