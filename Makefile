# Each target makes .venv and installs what it needs on first use; afterwards it starts at once.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-slow test-httpx2 lint docs bench notebooks notebooks-run wheel clean

demo: .venv/sandbox.done
	@$(BIN)/frgroups demo

notebooks: .venv/notebook.done
	@$(BIN)/frgroups notebooks

test: .venv/dev.done
	@$(BIN)/python -m pytest -n 3 --dist loadfile

# The tests that take longest (notebooks, crash points, memory, benchmarks, contract fuzzing), and the property-based
# tests with 200 examples each instead of 30.
test-slow: .venv/dev.done
	@$(BIN)/python -m pytest -n 3 -m "slow or hypothesis" --hypothesis-profile=thorough

# The tests of the API client on httpx2, the successor of httpx.
test-httpx2: .venv/dev.done
	@$(PIP) httpx2
	@FRGROUPS_TEST_HTTPX2=1 $(BIN)/python -m pytest -n 2 --dist loadfile tests/api

lint: .venv/dev.done
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@find frgroups -name '*.py' | xargs $(BIN)/numpydoc lint
	@$(BIN)/mypy

# All pages are read and all examples run again, because they depend on the code and not only on the pages.
docs: .venv/docs.done
	@$(BIN)/python -m sphinx -b html -E -q -W --keep-going docs docs/_build/html
	@echo "Documentation: docs/_build/html/index.html"

bench: .venv/bench.done
	@$(BIN)/python -m tests.bench

notebooks-run: .venv/dev.done
	@$(BIN)/python -m tests.notebooks

wheel: .venv/dev.done
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist

clean:
	rm -rf .venv dist .mypy_cache .ruff_cache .hypothesis
	rm -rf docs/_build docs/reference docs/commands docs/gallery

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "frgroups needs Python 3.11 or newer")'
	@$(PYTHON) -m venv .venv

.venv/sandbox.done: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing into .venv (the first time only) ..."
	@$(PIP) -e ".[sandbox]"
	@touch $@

.venv/notebook.done: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing into .venv (the first time only) ..."
	@$(PIP) -e ".[sandbox,notebook]"
	@touch $@

.venv/dev.done: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing into .venv (the first time only) ..."
	@$(PIP) -e ".[dev]"
	@touch $@ .venv/sandbox.done .venv/notebook.done .venv/docs.done

.venv/docs.done: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing into .venv (the first time only) ..."
	@$(PIP) -e ".[docs]"
	@touch $@

.venv/bench.done: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing into .venv (the first time only) ..."
	@$(PIP) -e ".[bench]"
	@touch $@
