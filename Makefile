# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
DEMO := work/demo
BIN := $(VENV)/bin
CONSTRAINTS := constraints/constraints.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadgroup

.PHONY: demo test quick lint types bench docs wheel clean help

help:
	@echo "make demo    sample the built-in pool at the paper's sizes, then take drawn scenes from fetch to a validated export"
	@echo "make test    lint, types and all tests, with the time of each marker"
	@echo "make quick   lint and the fast tests"
	@echo "make bench   hot paths as ratios against named baselines"
	@echo "make docs    regenerate the CLI reference, the JSON Schemas and the tables in the docs"

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "GeoSeek needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "Installing python3-venv"; apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv --clear $(VENV); }
	@touch $@

$(VENV)/.core: $(VENV)/.made pyproject.toml $(CONSTRAINTS)
	@echo "Installing geoseek into $(VENV)"
	@$(PIP) -e '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	@echo "Installing the development tools into $(VENV)"
	@$(PIP) -e '.[dev,demo,raster,distributed,geocoders,embeddings,train]'
	@touch $@

$(VENV)/.browser: $(VENV)/.dev
	@command -v chromium >/dev/null || \
		{ echo "Installing chromium for the browser tests"; apt-get update -qq && apt-get install -y -qq chromium >/dev/null; }
	@touch $@

demo: $(VENV)/.core
	@echo '$$ geoseek sample --weights population,area,roads'
	@$(BIN)/geoseek sample --weights population,area,roads
	@test -f $(DEMO)/geoseek.yaml || { echo '$$ geoseek init --demo $(DEMO)'; $(BIN)/geoseek init --demo $(DEMO); }
	@echo '$$ geoseek fetch --workspace $(DEMO)'
	@$(BIN)/geoseek fetch --workspace $(DEMO)
	@echo '$$ geoseek annotate import $(DEMO)/annotation/demo-annotations.json --workspace $(DEMO)'
	@$(BIN)/geoseek annotate import $(DEMO)/annotation/demo-annotations.json --workspace $(DEMO)
	@echo '$$ geoseek export --workspace $(DEMO)'
	@$(BIN)/geoseek export --workspace $(DEMO)
	@echo '$$ geoseek validate $(DEMO)/export'
	@$(BIN)/geoseek validate $(DEMO)/export

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(BIN)/mypy

test: lint types $(VENV)/.browser
	@$(PYTEST)

quick: lint
	@$(PYTEST) -m "not slow and not server and not browser and not train"

bench: $(VENV)/.dev
	@$(BIN)/python benchmarks/run_all.py

docs: $(VENV)/.dev
	@$(BIN)/python scripts/generate_docs.py

wheel: $(VENV)/.dev
	@$(BIN)/python -m build --wheel --outdir dist .

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
