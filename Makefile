# Habits: make setup check test e2e fix bench docs; make up for users.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

# The first interpreter that is new enough and can make virtual environments.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: help up setup setup-dev check test unit e2e fix browser bench docs clean

help: ## this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

up: setup ## install mlstack into .venv and bring the platform up (ARGS="--yes --name lab")
	@$(BIN)/mlstack up $(ARGS)

setup: $(VENV)/.installed ## the virtual environment with mlstack in it

setup-dev: $(VENV)/.installed-dev ## the same with the tools of development

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "mlstack needs Python 3.11 or newer with venv and ensurepip (Debian and Ubuntu: apt-get install python3 python3-venv)" >&2; exit 3; }
	@echo "making $(VENV) with $(PYTHON)"; "$(PYTHON)" -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing mlstack into $(VENV)"; $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing the tools of development"; $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group dev
	@touch $@

check: setup-dev ## format, lint, types, import contracts
	$(BIN)/ruff format --check installer tests e2e bench
	$(BIN)/ruff check installer tests e2e bench
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/lint-imports
	cd playbooks && PATH="$(CURDIR)/$(BIN):$$PATH" ../$(BIN)/ansible-lint --offline -q .

fix: setup-dev ## format and mend what can be mended
	$(BIN)/ruff format installer tests e2e bench
	$(BIN)/ruff check --fix installer tests e2e bench

unit: setup-dev ## unit, contract and engine tests; no container needed
	$(BIN)/pytest tests

e2e: setup-dev ## the acceptance suite on a real platform, made when none is up
	$(BIN)/pytest e2e -o timeout=4800 --durations=25 $(ARGS)

test: setup-dev ## everything CI runs: checks, unit, contract and engine tests, the acceptance suite
	$(MAKE) --no-print-directory check
	$(BIN)/pytest tests
	$(MAKE) --no-print-directory e2e

browser: setup-dev ## a Chromium for the tests of pages, unpacked into the user's cache (Debian and Ubuntu)
	$(BIN)/python -m e2e.chromium

bench: setup-dev ## measure on the platform that is up and write docs/benchmarks.md (ARGS="start apply", ARGS=cold)
	$(BIN)/python -m bench $(ARGS)

docs: setup-dev ## the generated reference
	$(BIN)/mlstack dev docs

clean: ## remove what the build made here; caches and the platform stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
