import functools
import importlib

import pytest

from benchmarks.hot_path import STAGES

FUNCTIONS = [function for _, _, functions in STAGES for function in functions]


@pytest.mark.parametrize(("module", "name"), FUNCTIONS)
def test_what_the_profile_watches_is_still_there(module: str, name: str) -> None:
    assert callable(functools.reduce(getattr, name.split("."), importlib.import_module(module)))
