# One way to run things. Each target sets up what it needs and can be run any number of times.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .make
JOBS ?= 1
QUICK ?=
ARGS ?=
CONSTRAINTS := deploy/constraints.txt
PYTEST = $(BIN)/python -m pytest $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist loadfile) $(ARGS)
# uv is fast; pip does where uv can't be had. Like pip it trusts the system's certificates: a
# plant's proxy has its own
INSTALL = install() { \
	if [ -x $(BIN)/uv ] && UV_SYSTEM_CERTS=1 $(BIN)/uv pip install -q -p $(BIN)/python \
		-c $(CONSTRAINTS) "$$@"; then return; fi; \
	$(BIN)/python -m pip install -q --disable-pip-version-check -c $(CONSTRAINTS) "$$@"; }; install

.DEFAULT_GOAL := help
.PHONY: help demo test check format lint types layers generate bench soak clean

help: ## Say what can be made
	@echo "make TARGET, one of:"
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo "Variables: PYTHON=$(PYTHON)  JOBS=$(JOBS) (test processes)  QUICK=1 (bench)  ARGS=... (pytest, demo)"

demo: $(STAMPS)/base ## Run a whole simulated plant here and print its address
	$(BIN)/mmindustry demo $(ARGS)

test: $(STAMPS)/all ## Run the whole suite
	$(PYTEST)

check: format lint types layers ## Check format, lint, types and layers

format: $(STAMPS)/all
	$(BIN)/ruff format --check .

lint: $(STAMPS)/all
	$(BIN)/ruff check .

types: $(STAMPS)/all
	$(BIN)/mypy

layers: $(STAMPS)/all
	$(BIN)/lint-imports

generate: $(STAMPS)/all ## Write what is generated from code: schemas, reference pages
	$(BIN)/mmindustry schemas write
	$(BIN)/mmindustry config schema > schemas/config.schema.json
	$(BIN)/mmindustry handbook write

bench: $(STAMPS)/all ## Measure; one `name: value` line a figure (QUICK=1: under a minute each)
	$(BIN)/python -m tests.benchmarks $(if $(QUICK),--quick)

soak: $(STAMPS)/all ## Run the long forms: 500 examples a law, 30 rounds of kills
	HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest tests/laws -m "not soak" $(ARGS)
	HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS)

clean: ## Remove everything that was made here
	rm -rf $(VENV) $(STAMPS) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache .coverage deploy/local/target
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mmindustry needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV) || { echo "no venv module: install Debian's python3-venv" >&2; rm -rf $(VENV); exit 1; }

$(STAMPS)/uv: $(BIN)/python
	@mkdir -p $(STAMPS)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c $(CONSTRAINTS) uv || echo "no uv, pip does it" >&2
	@touch $@

$(STAMPS)/base: $(STAMPS)/uv pyproject.toml $(CONSTRAINTS)
	@if [ ! -e $(STAMPS)/all ] || [ $(STAMPS)/all -ot pyproject.toml ] || [ $(STAMPS)/all -ot $(CONSTRAINTS) ]; then \
		echo "installing mmindustry (base) into $(VENV)"; $(INSTALL) -e .; fi
	@touch $@

$(STAMPS)/all: $(STAMPS)/uv pyproject.toml $(CONSTRAINTS) Makefile
	@echo "installing mmindustry with all extras into $(VENV) (several GB with torch)"
	@$(INSTALL) -e '.[torch,weights,tune,objects,search,dev]'
	@touch $@
