# Two commands are enough on a fresh machine: `make demo` and `make test`.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= var
export CONSENT_DATA_DIR ?= $(DATA)

.DEFAULT_GOAL := help
.PHONY: help setup models demo serve test coverage lint format bench docs openapi lock clean

help: ## explain each command
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

models: $(VENV)/.installed ## pull the models and check their SHA-256
	@$(BIN)/consent-service models pull --group service --group studio

setup: models ## virtual environment, locked dependencies, models

demo: setup ## tell the whole story on real media; files land in demo-out/
	@$(BIN)/consent-service demo

serve: setup ## start the service on http://127.0.0.1:8000 with an embedded worker
	@$(BIN)/consent-service init
	@$(BIN)/consent-service serve

test: setup ## run every test (real media, real models; four to six minutes on two cores)
	$(BIN)/python -m pytest -n 2 --dist loadscope

coverage: setup ## show that the tests take every branch of the domain modules
	$(BIN)/python -m pytest -n 2 --dist loadscope -q tests/consent_service --cov=consent_service --cov-branch --cov-report=
	$(BIN)/coverage report --show-missing --fail-under=100 --include='*/domain.py,*/clips/gate.py,*/grants/terms.py'

lint: $(VENV)/.installed ## ruff, mypy strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed ## apply ruff's fixes and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## measure against named baselines in the same run; results in benchmarks/results/
	$(BIN)/python -m benchmarks

docs: $(VENV)/.installed ## build the documentation site into build/site
	$(BIN)/mkdocs build --strict --quiet

openapi: $(VENV)/.installed ## refresh the OpenAPI snapshot docs/openapi.json
	$(BIN)/consent-service openapi > docs/openapi.json

lock: $(VENV)/.installed ## compile the hashed requirement files anew
	PATH="$(CURDIR)/$(BIN):$$PATH" requirements/lock.sh

clean: ## remove everything that was built here, the data folder excepted
	rm -rf $(VENV) demo-out build/site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
