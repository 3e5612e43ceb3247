# Owns the virtual environment. `make demo` and `make test` need only Python 3.11 or newer and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo serve ui explore replay test simulate lint bench format lock clean
.DEFAULT_GOAL := help

help:  ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

demo: $(VENV)/.installed  ## service, replayed game and dashboard; Ctrl-C stops all (ARGS=--continue resumes the last one)
	@$(BIN)/python -m scripts.demo $(ARGS)

serve: $(VENV)/.installed  ## the prediction service alone
	@$(BIN)/python -m xgserve

ui: $(VENV)/.installed  ## the dashboard alone
	@$(BIN)/python -m scripts.dashboard

explore: $(VENV)/.installed-explore  ## the history in a browser, as JSON and CSV (Datasette), read-only
	@$(BIN)/python -m scripts.explore

replay: $(VENV)/.installed  ## the replay feed alone
	@$(BIN)/python -m scripts.replay

test: $(VENV)/.installed-dev  ## all tests
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal

simulate: $(VENV)/.installed-dev  ## nights played by chance, with crashes (SEEDS=1000); SEED=7 plays one again and prints it
	@$(BIN)/python -m tests.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FROM),--from $(FROM)) \
		$(if $(PROCESSES),--processes $(PROCESSES)) $(if $(SEED),--seed $(SEED)) $(if $(PLAN),--plan $(PLAN)) \
		$(if $(VERBOSE),--verbose)

lint: $(VENV)/.installed-dev  ## style, spelling, types, and which package imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports
	$(BIN)/mypy .

bench: $(VENV)/.installed-dev  ## measure predictions and pings beside other servers
	@$(BIN)/python -m bench

format: $(VENV)/.installed-dev  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## pin the newest versions of everything in requirements/*.in but dask (needs uv)
	uv pip compile --universal --upgrade --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
		$(patsubst %,requirements/%.in,base serving dashboard explore train boosters dev) -o requirements.txt

clean:  ## remove the virtual environment and the caches, not the data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .simulation *.egg-info

$(VENV)/.installed: requirements.txt $(wildcard requirements/*.in) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13 ...")'
	@echo "installing into $(VENV) (a minute or two, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -c requirements.txt --editable '.[serving,dashboard,train]'
	@touch $@

$(VENV)/.installed-explore: $(VENV)/.installed
	@$(PIP) install -c requirements.txt --requirement requirements/explore.in
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) install -r requirements.txt
	@touch $@
