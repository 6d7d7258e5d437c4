.DEFAULT_GOAL := help
.PHONY: help setup check lint types layers test generated examples kills proof azurite functions format bench corpus screens clean

PYTHON ?= python3
# The tools of .venv come first where it exists; otherwise those of the shell.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

help: ## show the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## make .venv with jobkit, editable, and all the tools
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -e '.[dev]'

check: lint types layers test generated ## everything that CI checks on the source

lint: ## format and lint, read only
	ruff format --check
	ruff check

types: ## mypy and pyright, strict
	mypy
	pyright

layers: ## who may import whom
	lint-imports --no-cache

test: ## the tests
	pytest

generated: ## what new-controller makes: 40 combinations, formatted, without lint, typed, tested, run
	pytest -n0 tests/scaffold/matrix.py

examples: ## bad input at every door, 600 examples of each kind: options, files, messages, rows, requests
	JOBKIT_TEST_EXAMPLES=600 pytest --timeout 1200 --durations=10 tests/faults/test_bad_input.py tests/faults/test_bad_rows.py tests/faults/test_bad_requests.py tests/cli/test_any_input.py

kills: ## a run killed with -9 at 50 random moments, and 200 kills of its instances within one job
	JOBKIT_TEST_KILLS=50 JOBKIT_TEST_INSTANCE_KILLS=200 pytest -n0 --timeout 1200 tests/kills

azurite: ## the engine's tests and the single faults on Azurite, half an hour
	JOBKIT_TEST_ENGINE_ON_AZURE=1 pytest --timeout 1200 tests/contract tests/engine tests/azure tests/faults/test_single_faults.py -k "azure or real_store"

proof: ## the protocol for hours, what has no result in docs/proof.md yet: schedules, pairs of faults, the model, kills, operators; PART=3/139 one part (SEED=17 one seed of it), PART=list
	PYTHONPATH=tests python -m proof $(PART) $(SEED)

functions: ## a job of 1,000 tasks a stage in the Function App, besides its other tests
	JOBKIT_TEST_FUNCTIONS_LONG=1 pytest -n0 --timeout 600 tests/azure

format: ## format, and fix what ruff can
	ruff format
	ruff check --fix

bench: ## the figures of DESIGN section 8
	python bench/run.py

corpus: ## deprecate on a copy of the standard library and site-packages: marked, proved, undone
	python bench/corpus.py

screens: ## the pictures in the docs, recorded from the commands themselves
	python bench/minute.py
	python bench/screens.py

clean: ## remove what tools and builds leave behind
	rm -rf build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
