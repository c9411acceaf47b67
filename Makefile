# Each target makes .venv and installs what it needs on first use; afterwards it starts at once.
PYTHON ?= python3
BIN := .venv/bin
# Without bytecode files, each test process would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-slow test-browser java test-engines test-httpx2 test-versions test-lowest test-sdist lint docs
.PHONY: bench bench-engines notebooks notebooks-run wheel sdist clean

demo: .venv/sandbox.done
	@$(BIN)/frgroups demo

notebooks: .venv/notebook.done
	@$(BIN)/frgroups notebooks

test: .venv/dev.done
	@$(BIN)/python -m pytest -n 3 --dist loadfile

# The tests that take longest (notebooks, crash points, memory, benchmarks, contract fuzzing), and the property-based
# tests with 200 examples each instead of 10.
test-slow: .venv/dev.done
	@$(BIN)/python -m pytest -n 3 -m "slow or hypothesis" --hypothesis-profile=thorough

# The tests that open notebooks in JupyterLab, the pages that the notebooks save, and the documentation in Chromium.
# They are skipped if Chromium is not installed. The documentation is built only if docs/_build/html does not exist.
test-browser: .venv/dev.done docs/_build/html/index.html
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m browser tests/browser

# Install a Java runtime for Spark if none is found.
java:
	@command -v java >/dev/null || (apt-get update -qq && \
	apt-get install -y -qq --no-install-recommends default-jre-headless) || \
	{ echo "No Java runtime was found or could be installed. Install Java 17 or newer."; exit 1; }

# The tests of the query engines on Spark: one process with two threads, a cluster with two executors, and Spark Connect.
# They need no network except the loopback interface.
test-engines: java .venv/spark.done
	@for master in "local[2]" "local-cluster[2,1,1024]" connect; do \
	echo "Spark: $$master"; SPARK_LOCAL_IP=127.0.0.1 FRGROUPS_TEST_SPARK="$$master" \
	$(BIN)/python -m pytest -m spark tests/engines || exit 1; done

# The tests of the API client on httpx2, the successor of httpx.
test-httpx2: .venv/dev.done
	@$(PIP) httpx2
	@FRGROUPS_TEST_HTTPX2=1 $(BIN)/python -m pytest -n 2 --dist loadfile tests/api

# The fast tests on the other supported Python versions that are installed on this machine (PATH or pyenv), with one
# case of each parametrized test and 5 examples of each property-based test. `make test` runs all cases.
test-versions: .venv/dev.done
	@$(BIN)/python -m tests.versions

# The fast tests on the oldest supported Python version, with the lowest allowed version of each dependency.
# Cases and examples are limited as in test-versions.
test-lowest: .venv/dev.done
	@$(BIN)/python -m tests.versions --lowest

# The fast tests of the unpacked sdist, outside the checkout.
test-sdist: sdist
	@folder=$$(mktemp -d) && tar -xzf dist/frgroups-*.tar.gz -C $$folder --strip-components=1 && \
	python=$$PWD/$(BIN)/python && cd $$folder && $$python -m pytest -n 3 --dist loadfile; \
	result=$$?; rm -rf $$folder; exit $$result

lint: .venv/dev.done
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@find frgroups -name '*.py' | xargs $(BIN)/numpydoc lint
	@$(BIN)/mypy

# All pages are read and all examples run again, because they depend on the code and not only on the pages.
docs: .venv/docs.done
	@$(BIN)/python -m sphinx -b html -E -q -W --keep-going docs docs/_build/html
	@echo "Documentation: docs/_build/html/index.html"

docs/_build/html/index.html:
	@$(MAKE) docs

bench: .venv/bench.done
	@$(BIN)/python -m tests.bench

# The costs of the query engines for up to 100M memberships. This takes hours. An interrupted run can be continued.
# Spark needs a Java runtime. `.venv/bin/python -m tests.bench engine_curves --help` lists the options.
bench-engines: .venv/bench.done .venv/spark.done
	@$(BIN)/python -m tests.bench engine_curves

notebooks-run: .venv/dev.done
	@$(BIN)/python -m tests.notebooks

wheel: .venv/dev.done
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist

sdist: .venv/dev.done
	@rm -f dist/frgroups-*.tar.gz
	@$(BIN)/python -m build --sdist --no-isolation --outdir dist

clean:
	rm -rf .venv .venvs dist .mypy_cache .ruff_cache .hypothesis
	rm -rf docs/_build docs/reference docs/commands docs/gallery docs/pictures

# The pip of a new environment might be older than 25.1, the first version that installs dependency groups.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "frgroups needs Python 3.11 or newer")'
	@$(PYTHON) -m venv .venv
	@$(PIP) --upgrade pip

.venv/sandbox.done: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing into .venv (the first time only) ..."
	@$(PIP) -e ".[sandbox]"
	@touch $@

.venv/notebook.done: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing into .venv (the first time only) ..."
	@$(PIP) -e ".[sandbox,notebook,duckdb]"
	@touch $@

.venv/dev.done: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing into .venv (the first time only) ..."
	@$(PIP) -e ".[sandbox,notebook]" --group dev
	@touch $@ .venv/sandbox.done .venv/notebook.done .venv/docs.done

.venv/spark.done: .venv/dev.done
	@echo "Installing Spark into .venv (the first time only) ..."
	@$(PIP) --group spark
	@touch $@

.venv/docs.done: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing into .venv (the first time only) ..."
	@$(PIP) -e ".[sandbox,excel,duckdb]" --group docs
	@touch $@

.venv/bench.done: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing into .venv (the first time only) ..."
	@$(PIP) -e ".[sandbox]" --group bench
	@touch $@
