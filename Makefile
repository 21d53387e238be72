# The two commands a newcomer needs: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

PEERS := build/peers
BENCH := build/bench
CASES ?=
ROUNDS ?=
TLS ?=
# AWS's filter engine and its dependencies, if Maven is not to fetch them: make RULER_JARS=folder
RULER_JARS ?=
# How much is drawn, and by which seed: make fuzz
REQUESTS ?= 20000
SEED ?= 1

.PHONY: help demo test test-peers bench lint coverage fuzz simulate mutants format clean

help:
	@echo "make demo      run the main job for real: a queue, a stream, a table, functions, poison"
	@echo "make test      run every test that needs no other server"
	@echo "make test-peers  run the tests against servers of other people (needs node, npm; some a JDK and Maven)"
	@echo "make bench     measure Penstock beside hand-written consumers, some 6 minutes: CASES=a,b ROUNDS=n for less, TLS=1 over HTTPS"
	@echo "make lint      ruff, mypy --strict, import-linter"
	@echo "make coverage  branch coverage of core and model"
	@echo "make fuzz      try every operation of the API with drawn requests (REQUESTS=20000 SEED=1)"
	@echo "make mutants   draw defects of the core; the simulator alone must find them (some hours; goes on where it stood)"
	@echo "make simulate  run the simulator for a minute"

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Penstock needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

demo: $(INSTALLED)
	@$(BIN)/penstock demo

test: $(INSTALLED)
	$(BIN)/python -m pytest

$(PEERS)/.installed: Makefile tests/peers/elasticmq.xml
	mkdir -p $(PEERS)
	npm install --no-audit --no-fund --prefix $(PEERS) kinesalite@3.3.3 kinesis-local@0.6.2
	npm install --no-audit --no-fund --ignore-scripts --prefix $(PEERS)/nodejs-client-3 aws-lambda-ric@3.3.0
	npm install --no-audit --no-fund --ignore-scripts --prefix $(PEERS)/nodejs-client-4 aws-lambda-ric@4.0.2
	$(PYTHON) -m venv $(PEERS)/venv
	$(PEERS)/venv/bin/python -m pip install --quiet --disable-pip-version-check ministack==1.5.33
	@if command -v java >/dev/null && command -v mvn >/dev/null; then \
	  mvn -q -B -f tests/peers/elasticmq.xml dependency:copy-dependencies -DoutputDirectory=$(abspath $(PEERS))/elasticmq; \
	else echo "no JDK or no Maven (java, mvn): the tests against ElasticMQ are left out"; fi
	@touch $@

$(PEERS)/ruler/.installed: tests/peers/ruler/pom.xml
	mkdir -p $(PEERS)/ruler
	@if [ -n "$(RULER_JARS)" ]; then cp "$(RULER_JARS)"/*.jar $(PEERS)/ruler; \
	elif command -v mvn >/dev/null; then \
	  mvn -q -B -f $< dependency:copy-dependencies -DoutputDirectory="$(abspath $(PEERS))/ruler"; \
	else echo "no Maven (mvn) and no RULER_JARS: the comparison with Ruler is left out"; fi
	@touch $@

test-peers: $(INSTALLED) $(PEERS)/.installed $(PEERS)/ruler/.installed
	PENSTOCK_PEERS=$(PEERS) $(BIN)/python -m pytest -n 0 tests/peers

# aiobotocore wants a botocore of its own, older than ours.
$(BENCH)/.installed: Makefile
	$(PYTHON) -m venv $(BENCH)/venv
	$(BENCH)/venv/bin/python -m pip install --quiet --disable-pip-version-check aiobotocore==3.10.0 uvloop==0.23.0
	@touch $@

bench: $(INSTALLED) $(BENCH)/.installed
	$(BIN)/python benchmarks/bench.py $(if $(CASES),--cases $(CASES)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(TLS),--tls)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: $(INSTALLED)
	$(BIN)/coverage run -m pytest -n 0 tests/core tests/model tests/conformance -q
	$(BIN)/coverage report --fail-under 100

fuzz: $(INSTALLED)
	PYTHONPATH=tests/api:tests/acceptance:tests/functions $(BIN)/python tests/api/fuzz_run.py --requests $(REQUESTS) --seed $(SEED)

simulate: $(INSTALLED)
	$(BIN)/python -m penstock.simulation --minutes 1

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

mutants: $(INSTALLED)
	$(BIN)/python benchmarks/mutants.py
