"""These tests run where msticpy is installed (`make test-msticpy`): it needs pandas 2, the others run on pandas 3."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("msticpy") else ["test_*.py"]
