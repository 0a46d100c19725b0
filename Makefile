# Targets, each from nothing on a machine with Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
PORTABLE := tests/kernels tests/compiler/test_program.py tests/promises/test_golden.py

.PHONY: train test test-portable integration check docs lowest

train: .venv/installed
	$(BIN)/mho train --epochs 12 --set update.length=1 --set update.update_management=true

test: .venv/installed-dev
	$(BIN)/python -m pytest

# The path of machines without AVX-512, where this one has it: kernels and golden runs, compiled for an older processor.
test-portable: .venv/installed-dev
	if grep -q avx512f /proc/cpuinfo 2>/dev/null; then \
	  NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES=+avx2,+fma,+bmi,+bmi2,+popcnt,+f16c,+lzcnt \
	  $(BIN)/python -m pytest $(wildcard $(PORTABLE)); \
	else echo "no AVX-512 here: make test has taken this path"; fi

# Networks in the trainers of other libraries: Lightning, transformers, ONNX, TensorBoard.
integration: .venv/installed-integration
	$(BIN)/python -m pytest -m integration

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The pages of docs/ as a site, docs/_build/html/index.html: code cells are run, and a warning is an error.
docs: .venv/installed-docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -d docs/_build/doctrees docs docs/_build/html

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

.venv/installed-integration: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[integration]"
	touch $@

.venv/installed-docs: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[docs]"
	touch $@
