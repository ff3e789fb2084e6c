# make test   the test suite, in .venv with the pinned packages
# make demo   train, evaluate and draw a small detector on handwritten digits
# make lint   style and types
# make matrix the tests on each of the stacks in noxfile.py, one after the other

PYTHON ?= python3
BIN := .venv/bin

.PHONY: test demo lint matrix

test: .venv/installed
	$(BIN)/python -m pytest

demo: .venv/installed
	$(BIN)/python tools/demo.py

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

matrix: .venv/installed
	$(BIN)/pip install --quiet nox
	$(BIN)/nox --session tests

# torch first: a later choice of the resolver must not replace the pinned build.
.venv/installed: pyproject.toml constraints.txt hatch_build.py
	@echo "installing the pinned packages into .venv (about two minutes)"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[stock,mim,demo,test]"
	@touch $@
