# make test   the test suite, in .venv with the pinned packages
# make demo   train, evaluate and draw a small detector on handwritten digits, in ten minutes;
#             make demo MINUTES=30 takes more of them
# make lint   style and types

PYTHON ?= python3
BIN := .venv/bin
MINUTES ?= 10
BEGAN := $(shell date +%s)

.PHONY: test demo lint

test: .venv/installed
	$(BIN)/python -m pytest

demo: .venv/runs
	$(BIN)/python tools/demo.py --minutes $(MINUTES) --began $(BEGAN)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# torch first: a later choice of the resolver must not replace the pinned build.
.venv/runs: pyproject.toml constraints.txt hatch_build.py
	@echo "installing the pinned packages into .venv (about two minutes)"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[stock,mim,demo]"
	@touch $@

.venv/installed: .venv/runs
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[stock,mim,demo,test]"
	@touch $@
