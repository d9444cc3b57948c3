# Every target makes its own environment from the hash-locked requirements.lock; nothing else needs to be installed.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
MSTICPY ?= .venv-msticpy
WORKERS ?= 4
PYSPARK ?= .venv-pyspark
KQL ?= .venv-kql
AZURITE := .ci/azurite/node_modules/.package-lock.json

.PHONY: demo azurite test test-msticpy check lint types layers format docs lock bench drill drill-engines drill-exports clean
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

# The storage emulator of the tests: needs npm. It is locked by hashes, and no package's scripts are run.
azurite: $(AZURITE)

$(AZURITE): .ci/azurite/package.json .ci/azurite/package-lock.json
	npm ci --prefix .ci/azurite --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $(AZURITE)

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
# Then, on Apache Spark itself, what the tests run on Sail, and exported rules on an engine of KQL.
drill: $(STAMP)
	$(BIN)/python -m drill
	$(MAKE) drill-engines drill-exports

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

# Spark comes as source only, so that what builds it is locked too.
$(PYSPARK)/.installed: requirements-pyspark.lock
	$(PYTHON) -m venv $(PYSPARK)
	PIP_CONSTRAINT=requirements-pyspark.lock $(PYSPARK)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --require-hashes --no-deps -r requirements-pyspark.lock
	touch $@

# Needs Java 17 or newer; Spark itself is 450 MB.
drill-engines: $(STAMP) $(PYSPARK)/.installed
	$(BIN)/python -m drill.engines --spark $(PYSPARK)

$(KQL)/.installed: requirements-kql.lock
	$(PYTHON) -m venv $(KQL)
	$(KQL)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-kql.lock
	touch $@

drill-exports: $(STAMP) $(KQL)/.installed
	$(BIN)/python -m drill.exported --kql $(KQL)

# Needs uv; writes hashes for every platform and no index address. Spark is of the version of its client.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --group dev --extra postgresql --extra spark --extra geoip --extra charts --quiet pyproject.toml -o requirements.lock
	sed -n 's/^pyspark-client==\([^ ;]*\).*/pyspark==\1 setuptools wheel/p' requirements.lock | tr ' ' '\n' | \
	  uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --quiet - -o requirements-pyspark.lock
	(echo duckdb-kql; sed -nE 's/^(duckdb|pytz)==([^ ;]+).*/\1==\2/p' requirements.lock) | \
	  uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --quiet - -o requirements-kql.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --group msticpy --extra msticpy --extra charts --quiet pyproject.toml -o requirements-msticpy.lock

clean:
	rm -rf $(VENV) $(PYSPARK) $(KQL) $(MSTICPY) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
