# All in .venv with the pinned packages.
# make test        the quick tests
# make test-all    those and the slow ones: trainings, kills, fuzzing
# make test-plain  the quick tests as on a processor with AVX2 and no bfloat16
# make demo        train, evaluate and draw a small detector on handwritten digits, in ten
#                  minutes; make demo MINUTES=30 takes more
# make lint        style and types
# make matrix      the tests on each of the stacks in noxfile.py, one after the other

PYTHON ?= python3
BIN := .venv/bin
MINUTES ?= 10
BEGAN := $(shell date +%s)

.PHONY: test test-slow test-all test-plain demo lint matrix

# One process a core, four at most, with one thread each.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

test: .venv/installed
	$(PYTEST) -m "not slow"

test-slow: .venv/installed
	$(PYTEST) -m slow

test-all: test test-slow

test-plain: export ONEDNN_MAX_CPU_ISA := AVX2
test-plain: export ATEN_CPU_CAPABILITY := avx2
test-plain: test

demo: .venv/runs
	$(BIN)/python tools/demo.py --minutes $(MINUTES) --began $(BEGAN)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

matrix: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[matrix]"
	$(BIN)/nox --session tests

# A checkout that was moved needs another .venv: there are absolute paths in it. So does one whose
# Python is gone.
MADE_IN := $(shell test -x .venv/bin/python && cat .venv/runs 2>/dev/null)
HERE := $(realpath .)
ifneq ($(MADE_IN),$(HERE))
.PHONY: .venv/runs
CLEAR := --clear
endif

# torch first: a later choice of the resolver must not replace the pinned build.
.venv/runs: pyproject.toml constraints.txt hatch_build.py
	@echo "installing the pinned packages into .venv (about two minutes)"
	$(PYTHON) -m venv $(CLEAR) .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[stock,mim,demo]"
	@pwd -P > $@

.venv/installed: .venv/runs
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[stock,mim,demo,test]"
	@touch $@
