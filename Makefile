# Two commands matter: `make run` answers a question with a model on this machine; `make test` runs the whole suite.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench

.PHONY: setup run test check format docs bench lock clean

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
	@$(BIN)/pytest

check: setup
	@$(BIN)/ruff check src tests benchmarks scripts
	@$(BIN)/ruff format --check src tests benchmarks scripts
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q tests/test_size.py

format: setup
	@$(BIN)/ruff check --fix src tests benchmarks scripts
	@$(BIN)/ruff format src tests benchmarks scripts

# Writes the tables of docs/dialects.md from what the code does.
docs: setup
	@$(BIN)/python scripts/dialect_matrix.py

bench: setup
	@sh tests/install-servers.sh
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python scripts/install.py benchmarks/requirements.lock
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps .
	@$(BENCH)/bin/python -m benchmarks

# Writes requirements.lock anew: exact versions and hashes of everything, from whichever index this machine uses.
lock:
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv
	@.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --upgrade --group dev --extra all pyproject.toml -o requirements.lock
	@rm -rf .venv-lock

clean:
	rm -rf $(VENV) $(BENCH) build src/*.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
