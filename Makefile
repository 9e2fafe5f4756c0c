# One command sets up and runs the demonstration day, one sets up and passes all tests. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8000
export EXAM_HOME ?= var
QUICK ?=
# Python keeps what it compiled: the tests start the program a hundred times.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test checks tests lint types bench prove-durability prove-rules prove-gate prove-payments prove-money prove-postgresql-backup rehearse lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

run: .venv/.run exam/static/vendor/manifest.json ## set up and serve the demonstration on 127.0.0.1:8000 (PORT changes it)
	@EXAM_DEMO=1 EXAM_PLUGINS=rehearsal PORT=$(PORT) $(BIN)/exam demo
	@EXAM_DEMO=1 EXAM_PLUGINS=rehearsal PORT=$(PORT) exec $(BIN)/exam serve

test: .venv/.test exam/static/vendor/manifest.json ## install what the tests need, then run linters, contracts, types and every test
	@tools/packages
	@$(MAKE) --no-print-directory -j 2 checks tests

# What needs one process, one after the other, beside the two of the tests: it fills what they leave of two cores while they wait.
checks: .venv/.test
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory types
	$(BIN)/python tools/prove_durability.py --quick

# Chromium's tests are a run of their own, because its driver keeps an event loop in the process, and read only their own files
# (tests/house/test_documents.py sees that there are no others). The run without plug-ins proves that the core rooms stand alone; both
# databases are proven by the first run.
tests: .venv/.test
	$(BIN)/python -m pytest -n 2 -m "not browser" tests
	$(BIN)/python -m pytest -n 2 --dist worksteal -m browser tests/browser tests/*/test_*_browser.py
	$(BIN)/python -m pytest -n 2 -m "not browser" -k "not postgresql" tests/house tests/flows --without-plugins

lint: .venv/.test ## ruff, import contracts, and that the locks name no host
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	@! grep -nE 'https?://|--index|--find-links' requirements*.lock
	@! grep -n '"resolved"' package-lock.json

types: .venv/.test ## mypy, strict
	$(BIN)/mypy

bench: .venv/.test ## workloads P6, P7, P8, P12 against their peers, and the rules; writes bench.json
	$(BIN)/python -m bench $(if $(QUICK),--quick)

prove-durability: .venv/.test ## kill and power-cut proofs (QUICK=1 for a short one)
	$(BIN)/python tools/prove_durability.py $(if $(QUICK),--quick)

prove-rules: .venv/.test ## the medical rules against a slow second reading of them (QUICK=1 for a short run)
	$(BIN)/python tools/prove_rules.py $(if $(QUICK),--quick)

prove-gate: .venv/.test ## recall and false alarms of the contradiction gate on its seeded reviews
	$(BIN)/python tools/prove_gate.py

prove-payments: .venv/.test ## simulated payments with lost, doubled, late and lying callbacks (QUICK=1 for a short run)
	$(BIN)/python tools/prove_payments.py $(if $(QUICK),--quick)

prove-money: .venv/.test ## the whole money room as a state machine against a plain model, on both databases (QUICK=1 for a short run)
	$(BIN)/python tools/prove_money.py $(if $(QUICK),--quick)

prove-postgresql-backup: .venv/.test ## run the PostgreSQL steps of docs/backup.md as they are written (needs pgbackrest)
	@command -v pgbackrest >/dev/null || { echo "missing Debian package: pgbackrest" >&2; exit 1; }
	$(BIN)/python -m pytest tests/durability/test_postgresql_backup.py

rehearse: .venv/.run ## play a day over HTTP against a server of its own
	EXAM_PLUGINS=rehearsal $(BIN)/exam rehearse --visits $(or $(VISITS),20)

lock: ## compile the lock files anew
	$(BIN)/uv pip compile pyproject.toml --generate-hashes --universal --no-header -q -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --group bench --generate-hashes --universal --no-header -q -o requirements-dev.lock

clean: ## remove what can be made again; the data in var/ stays
	rm -rf .venv node_modules exam/static/vendor exam/kit/fonts

.venv/.tools: requirements-tools.lock
	@echo "[1/3] Python environment"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { test "$$(id -u)" = 0 && apt-get install -y -q python3-venv && $(PYTHON) -m venv .venv; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-tools.lock
	@touch $@

.venv/.run: requirements.lock pyproject.toml .venv/.tools
	@echo "[2/3] Python packages"
	@test -e .venv/.test || $(BIN)/uv pip sync -q --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.venv/.test: requirements-dev.lock pyproject.toml .venv/.tools
	@echo "[2/3] Python packages, with those of the tests"
	@$(BIN)/uv pip sync -q --compile-bytecode --python $(BIN)/python --require-hashes requirements-dev.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@ .venv/.run

exam/static/vendor/manifest.json: package-lock.json vendor.mjs
	@echo "[3/3] front-end files and fonts"
	@npm ci --ignore-scripts --no-audit --no-fund --silent
	@node vendor.mjs
	@touch $@
