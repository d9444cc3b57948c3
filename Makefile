# Every target makes its own environment from the hash-locked requirements.lock; nothing else needs to be installed.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
MSTICPY ?= .venv-msticpy
WORKERS ?= 4

.PHONY: demo test test-msticpy check lint types layers format docs lock bench drill clean
.DEFAULT_GOAL := test

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "acrwatch needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/acrwatch demo

# Half of what the tests take is waiting for sockets and processes: four workers fill two cores.
test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -q

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

check: lint types layers test

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m benchmarks.ingest

# Kills processes under load for some minutes and compares with an undisturbed run; needs PostgreSQL's programs.
drill: $(STAMP)
	$(BIN)/python -m drill

# The notebooks, run and written as pages that load nothing from anywhere: build/notebooks/*.html
docs: $(STAMP)
	$(BIN)/python -m nbconvert --to html --execute --output-dir build/notebooks --log-level WARN \
	  --HTMLExporter.mathjax_url= --HTMLExporter.require_js_url= --HTMLExporter.jquery_url= \
	  notebooks/*.ipynb

# Its environment is its own, for msticpy needs pandas 2: 450 MB, some minutes the first time.
$(MSTICPY)/.installed: requirements-msticpy.lock pyproject.toml
	$(PYTHON) -m venv $(MSTICPY)
	$(MSTICPY)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-msticpy.lock
	$(MSTICPY)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

test-msticpy: $(MSTICPY)/.installed
	$(MSTICPY)/bin/python -m pytest tests/msticpy -q

# Needs uv; writes hashes for every platform and no index address.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --group dev --extra postgresql --extra spark --extra geoip --extra charts --quiet pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --group msticpy --extra msticpy --extra charts --quiet pyproject.toml -o requirements-msticpy.lock

clean:
	rm -rf $(VENV) $(MSTICPY) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
