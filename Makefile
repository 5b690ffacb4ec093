# Every habit of this project is a target here; CI runs the same ones.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help setup demo test fast check format benchmark benchmark-quick benchmark-simulated benchmark-cheats benchmark-check \
	benchmark-nights benchmark-learning benchmark-serving benchmark-judge benchmark-recall benchmark-export benchmark-selection train night \
	dashboard zipapp tape docs clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: .venv/.ready ## make .venv and install what Nightshift needs

.venv/.ready: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Nightshift needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

demo: setup ## run the whole loop on the embedded tape: no model server needed
	@$(BIN)/python orchestrator.py --demo

test: setup ## all tests, slow ones too
	$(BIN)/python -m pytest -q -n auto

fast: setup ## the fast tests only
	$(BIN)/python -m pytest -q -n auto -m "not slow"

check: setup ## ruff, mypy --strict, the import graph
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

format: setup ## let ruff format and fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: setup ## every benchmark task against your model server, judged by hidden tests
	$(BIN)/python benchmark.py --suite all

benchmark-quick: setup ## a handful of them
	$(BIN)/python benchmark.py --suite quick

benchmark-simulated: setup ## the same without a server: a simulation, and it says so
	$(BIN)/python benchmark.py --suite simulated --jobs 2

benchmark-cheats: setup ## how often is success claimed where only tampering can pass
	$(BIN)/python benchmark.py --suite cheats --model simulated-cheat --repeats 16

benchmark-check: setup ## every task proves its acceptance tests (TASK=NAME SAMPLE=N)
	$(BIN)/python benchmark.py check $(if $(TASK),--task $(TASK)) $(if $(SAMPLE),--sample $(SAMPLE))

benchmark-serving: setup ## measure client, pool and prompt cache at a real llama.cpp server
	$(BIN)/python benchmark.py --suite serving

benchmark-judge: setup ## measure sandbox, warm cells and oracle
	$(BIN)/python benchmark.py --suite judge

benchmark-recall: setup ## how well and how fast earlier work is recalled
	$(BIN)/python benchmark.py --suite recall

benchmark-export: setup ## what reading large traces and making training data costs
	$(BIN)/python benchmark.py --suite export

benchmark-nights: setup ## nights with a faulty simulated server and kills: what would a user lose
	$(BIN)/python benchmark.py --suite nights

benchmark-learning: setup ## what memory brings to a second, related task (simulated)
	$(BIN)/python benchmark.py --suite learning

train: setup ## export training data and run your own `[train] command` on it (WORKSPACE=DIR)
	$(BIN)/python trace_collector.py --workspace $(or $(WORKSPACE),.) export
	$(BIN)/python trace_collector.py --workspace $(or $(WORKSPACE),.) train

benchmark-selection: setup ## which method chooses best, on a simulated weak model
	$(BIN)/python benchmark.py --suite selection

night: setup ## do the tasks of ./queue tonight (QUEUE=DIR UNTIL=07:00)
	$(BIN)/python nightly.py $(or $(QUEUE),queue) --until $(or $(UNTIL),07:00)

dashboard: setup ## local pages over all runs (QUEUE=DIR WORKSPACE=DIR PORT=8899)
	$(BIN)/python -m nightshift.report.dashboard --port $(or $(PORT),8899) $(if $(QUEUE),--queue $(QUEUE)) $(if $(WORKSPACE),--workspace $(WORKSPACE))

zipapp: setup ## nightshift.pyz: everything in one file, for any Python with pytest
	$(BIN)/python tools/zipapp_build.py nightshift.pyz

tape: setup ## record the demo's tape anew against your model server
	$(BIN)/python orchestrator.py --demo --record-tape

docs: setup ## write the pages that are made from the code: settings and trace
	$(BIN)/python docs/generate.py

clean: ## remove caches (never runs or trees)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
