# Two commands matter: `make run` answers a question with a model on this machine; `make test` runs the whole suite.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
GATEWAYS := .venv-gateways

PYTEST := $(BIN)/pytest -n auto --maxprocesses 4 --dist worksteal
COMPILED := .compiled
COMPILED_TESTS := $(addprefix tests/gateway/test_,$(addsuffix .py,http pairs failures leaving again cost counting)) \
	tests/ledger/test_gateway.py

.PHONY: setup run test check format docs bench bench-gateway budget-run experiment-sim faults bench-router bench-fit soak kill-run compiled fuzz lock clean

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Tsuji needs Python 3.11 or newer; set PYTHON=python3.11 or the like")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once; about half a minute) ..."
	@$(BIN)/python scripts/install.py requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# QUESTION="..." asks something else; ONCE=1 stops after the answer; PORT=... listens elsewhere.
run: setup
	@$(BIN)/tsuji serve --ask "$(or $(QUESTION),What is the capital of Japan?)" $(if $(ONCE),--once) $(if $(PORT),--port $(PORT))

test: setup
	@sh tests/install-servers.sh
	@$(PYTEST)
	@if command -v cc >/dev/null; then $(MAKE) --no-print-directory compiled && \
		PYTHONPATH=$(COMPILED) $(PYTEST) -q $(COMPILED_TESTS); \
		else echo "the compiled request path: not tested, because there is no C compiler (cc)"; fi
	@sh tests/peers/install.sh $(PYTHON) $(PEERS); case $$? in \
		0) $(PEERS)/bin/pytest tests/peers ;; \
		69) echo "tests/peers: not run, because the package index, which $(PEERS) is made from, cannot be reached" ;; \
		*) exit 1 ;; esac

check: setup
	@$(BIN)/ruff check src tests benchmarks scripts setup.py
	@$(BIN)/ruff format --check src tests benchmarks scripts setup.py
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q tests/test_size.py

format: setup
	@$(BIN)/ruff check --fix src tests benchmarks scripts setup.py
	@$(BIN)/ruff format src tests benchmarks scripts setup.py

# Writes the tables of docs/providers.md and docs/dialects.md from the catalogue's rows and from what the code does, and
# docs/openapi.json.
docs: setup
	@$(BIN)/python scripts/provider_table.py
	@$(BIN)/python scripts/dialect_matrix.py
	@$(BIN)/python scripts/admin_openapi.py

# The same package with its request path compiled by mypyc, for PYTHONPATH=.compiled; needs a C compiler.
compiled: $(COMPILED)/.ready

$(COMPILED)/.ready: setup.py $(VENV)/.ready $(shell find src/tsuji -name '*.py')
	@rm -rf $(COMPILED)
	@echo "Compiling the request path into $(COMPILED) (about a minute) ..."
	@TSUJI_COMPILE=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--target $(COMPILED) .
	@touch $@

# Feeds each of tests/fuzz/targets.py for SECONDS; TARGETS="connection paths" only those. Crashes are kept in .fuzz.
fuzz: setup
	@$(BIN)/python -c 'import atheris' 2>/dev/null || { echo "atheris, the fuzzer, has no wheel for this Python or machine"; exit 69; }
	@$(BIN)/python -m tests.fuzz $(or $(SECONDS),20) $(TARGETS)

bench: setup
	@sh tests/install-servers.sh
	@sh tests/peers/install.sh $(PYTHON) $(PEERS)
	@$(PEERS)/bin/python -m benchmarks

# How far off the planner's estimates are on devices and models they were not fitted to, beside other tools' formulas.
# ROWS is where the measured rows are; WRITE=1 writes the coefficients anew.
bench-fit: setup
	@$(BIN)/python -m benchmarks.fit_memory $(or $(ROWS),../shared/hardware)
	@$(BIN)/python -m benchmarks.fit_speed $(or $(ROWS),../shared/hardware)/measured_speed.csv $(if $(WRITE),--write)

# The gateway beside nginx and other gateways; writes docs/benchmarks.md. QUICK=1 takes a few minutes and only prints.
bench-gateway: setup
	@sh tests/install-servers.sh
	@sh benchmarks/gateways/install.sh $(PYTHON) $(GATEWAYS)
	@command -v cc >/dev/null && $(MAKE) --no-print-directory compiled || echo "The compiled request path is left out."
	@$(BIN)/python -m benchmarks.gateways $(if $(QUICK),--quick) $(if $(STREAMS),--streams $(STREAMS))

# 10,000 requests at once over four gateways that share a budget for 100, on SQLite and PostgreSQL.
budget-run: setup
	@sh tests/install-servers.sh
	@$(BIN)/python -m benchmarks.budget $(if $(REQUESTS),--requests $(REQUESTS))
# Load with faults on both sides of the gateway, and operations meanwhile; writes docs/soak.md. QUICK=1 only prints.
# RATE=... requests a second instead of half of what can be.
# POSTGRES=1: the ledger in a PostgreSQL that crashes now and then; writes docs/soak-postgresql.md.
soak: setup
	@sh tests/install-servers.sh
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),20) $(if $(RATE),--rate $(RATE)) \
		$(if $(POSTGRES),--postgres) $(if $(QUICK),--quick)

# The statistics of experiments, looked at all the time; writes docs/experiments-simulation.md (some ten minutes).
experiment-sim: setup
	@$(BIN)/python -m tests.experiment.simulating $(or $(RUNS),1000) $(or $(UNITS),2000)

# 22 ways in which providers go wrong, on all three drivers; writes docs/faults.md. PEERS=1: LiteLLM's proxy as well.
# QUICK=1 leaves out what takes over 20 s, and ROWS="8 9" all others; both only print.
faults: setup
	@$(if $(PEERS),sh benchmarks/gateways/install.sh $(PYTHON) $(GATEWAYS))
	@PEERS=$(PEERS) QUICK=$(QUICK) ROWS="$(ROWS)" $(BIN)/python -m benchmarks.faults

# What the learned policy gains over single models, on outcomes that it has not seen. FILE=... as tsuji router train has it.
# PNG=file.png draws the curves; EMBED=local:embed: of embeddings, for the nearest neighbours beside it (some minutes).
bench-router: setup
	@$(BIN)/python -m benchmarks.learned_routing $(or $(FILE),../shared/routing/outcomes.jsonl.gz) $(or $(SEEDS),5) \
		"$(PNG)" "$(EMBED)"

# kill -9 under load, KILLS times, and whether the ledger has every request that a client saw finish, once.
kill-run: setup
	@$(BIN)/python -m tests.ledger.killing $(or $(KILLS),50)

# Writes the locks anew: exact versions and hashes of everything, from whichever index this machine uses.
COMPILE := .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header --upgrade
lock:
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv
	@$(COMPILE) --group dev --extra all --extra postgres --extra otel --extra redis --extra plots --extra learned pyproject.toml -o requirements.lock
	@$(COMPILE) tests/peers/requirements.in -o tests/peers/requirements.lock
	@$(COMPILE) benchmarks/gateways.in -o benchmarks/gateways.lock
	@rm -rf .venv-lock

clean:
	rm -rf $(VENV) $(PEERS) $(GATEWAYS) $(COMPILED) build src/*.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
