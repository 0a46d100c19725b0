# Targets, each from nothing on a machine with Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test check lowest

train: .venv/installed
	$(BIN)/mho train --epochs 12 --set update.length=1 --set update.update_management=true

test: .venv/installed-dev
	$(BIN)/python -m pytest

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The lowest versions that pyproject.toml allows, in an environment of their own, which takes minutes and a gigabyte.
lowest:
	PYTHON=$(PYTHON) .ci/lowest

# constraints.txt pins what was tested; without it pip would fetch a torch build of several gigabytes.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@
