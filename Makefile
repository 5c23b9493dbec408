# Everything runs in a virtual environment of its own; `make demo` and `make test` need nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-slow lint docs bench dist clean

# torch goes first and alone: its pinned CPU build keeps every later request from pulling a CUDA build.
$(READY): pyproject.toml constraints.txt recognizers/whisper-queen/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "memrix needs Python 3.11 or newer; call make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]' --editable ./recognizers/whisper-queen
	@touch $@

demo: $(READY)
	$(BIN)/memrix demo

# Two processes share the cores, each on one thread; tests of threads set their number.
test: lint docs
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

test-slow: $(READY)
	$(BIN)/pytest -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Strict: a broken link or anchor, a name without a docstring and a setting without a unit are errors. With --quiet,
# MkDocs would not see its own warnings.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 OMP_NUM_THREADS=1 $(BIN)/mkdocs build --strict

bench: $(READY)
	$(BIN)/python -m benchmarks

# Built, then installed and tested in a virtual environment of their own, outside of this folder; ends in dist/.
dist:
	$(PYTHON) -m tools.dist

clean:
	rm -rf $(VENV)
