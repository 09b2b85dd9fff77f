# multicam-tap. On a machine with Python 3.11+ and Node 20+ every target does its own set-up; nothing else is needed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
READY := .venv/.ready
# What the tap itself needs, without what its tests and checks need.
RUNS := .venv/.runs
PACKAGES := convex/node_modules/.ready
BENCH_PACKAGES := bench/node/node_modules/.ready
BENCH_RUNS := .bench/venv/.ready
BROWSER_PACKAGES := tests/browser/node/node_modules/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PYTEST := $(BIN)/python -m pytest
# Two more than a small machine has cores: half of the time a test waits for sockets and processes.
WORKERS ?= 4
# Who has none left takes of another's: tests that wait for long are next to each other, in tests/faults.
SHARED := --dist worksteal
SEEDS ?= 1

# What is imported is compiled once, and not by each worker and by each tap that a test starts.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: audit bench bench-quick bench-node browser-node compiled coverage convex-apps convex-generated convex-tests help mutants venue-env venv demo evidence scale screenshots ledger minutes test test-all test-others test-python test-slow test-obs test-convex faults lint format pins clean

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(READY)  ## A virtual environment with everything pinned, and the command in it

# Counts what pip says it collects, on one line of a terminal.
COUNT = awk -v of="$$(grep -c == $(1))" -v tty="$$([ -t 2 ] && echo 1)" \
    '/^Collecting/ { n++; if (tty) printf "\r\033[K  %d of %d: %s", n, of, $$2 > "/dev/stderr" } \
     /^Installing/ { if (tty) printf "\r\033[K  unpacking…" > "/dev/stderr" } \
     END { if (tty) printf "\r\033[K" > "/dev/stderr" }'

$(RUNS): requirements.txt requirements-build.txt pyproject.toml
	@python=""; \
	for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        python="$$candidate"; break; \
	    fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "multicam-tap needs Python 3.11 or newer, and found none: install python3.11, or say where it is (make PYTHON=/path/to/python)" >&2; \
	    exit 1; \
	fi; \
	if [ ! -x $(BIN)/python ] || ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
	    echo "making .venv with $$("$$python" --version)" >&2; \
	    "$$python" -m venv --clear .venv || { \
	        echo "that Python cannot make virtual environments: on Debian and Ubuntu, apt-get install python3-venv" >&2; \
	        exit 1; \
	    }; \
	fi
	@echo "installing multicam-tap into .venv (about 130 MB)" >&2
	@$(PIP) install --require-hashes -r requirements.txt -r requirements-build.txt | $(call COUNT,requirements.txt)
	@$(PIP) -qq install --no-deps --no-build-isolation -e .
	@touch $@

$(READY): $(RUNS) requirements-dev.txt
	@echo "installing what tests and checks need into .venv (about 800 MB more)" >&2
	@$(PIP) install --require-hashes -r requirements-dev.txt | $(call COUNT,requirements-dev.txt)
	@touch $@

demo: $(RUNS) ledger  ## A simulated shoot, recorded live, shown and scored from the local ledger
	@$(BIN)/multicam-tap demo

evidence: $(READY) ledger  ## Writes docs/evidence.md: what was checked, and read back from the local ledger
	@$(BIN)/python docs/make_evidence.py

scale: $(READY) ledger  ## Writes docs/scale.md: what a shoot costs on Convex, counted on the ledger's own functions
	@$(BIN)/python docs/make_scale.py

screenshots: $(READY) ledger  ## Makes the pictures in docs/screenshots; needs chromium
	@$(BIN)/python docs/make_screenshots.py
	@$(BIN)/python docs/screenshots_report.py

# Where Node is missing, or the registry out of reach, what needs it says so itself, and the rest goes on.
ledger:
	@if node -e 'process.exit(+(parseInt(process.versions.node) < 20))' 2>/dev/null; then \
	    $(MAKE) -s $(PACKAGES) \
	        || echo "the packages of the local ledger could not be installed (npm ci in convex/)" >&2; \
	fi

$(PACKAGES): convex/package.json convex/package-lock.json
	@echo "installing the local ledger into convex/node_modules (about 180 MB)" >&2
	@cd convex && npm ci --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

# The ledger's own tests need Node; without its package there is nothing to test.
CONVEX := $(if $(wildcard convex/package.json),convex-apps convex-tests)

# What each said is shown in one piece, by a make that can (GNU make 4).
IN_ONE_PIECE := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

# pytest comes last, so that its closing lines close the output.
test: test-others test-python  ## What every change has to pass: lint, types, imports, the ledger, tests

# Beside each other: each of them mostly keeps one processor busy.
test-others: $(READY) $(if $(CONVEX),$(PACKAGES))
	@$(MAKE) --no-print-directory -j 3 $(IN_ONE_PIECE) lint $(CONVEX) compiled

# So that workers, which begin together, do not all compile the tests. What is wrong with these, they say themselves.
compiled: $(READY)
	@$(PYTEST) --collect-only -qq >/dev/null 2>&1 || true

test-python: $(READY) ledger browser-node
	$(PYTEST) -m "not slow and not obs" -n $(WORKERS) $(SHARED) --minutes test

# It takes twice as long as the tests themselves, so neither make test nor CI waits for it.
coverage: $(READY) ledger browser-node  ## The Python tests of make test, and which lines and branches they leave out
	@rm -f .coverage .coverage.*
	$(PYTEST) -m "not slow and not obs" -n $(WORKERS) $(SHARED) --cov --cov-report=term

# make test comes last, so that its closing lines close the output.
test-all: test-obs test-slow test  ## All tests: the long ones, and make test

test-slow: $(READY) ledger browser-node  ## The long tests: systemd, a browser, thousands of worlds, many kills, installations
	$(PYTEST) -m "slow and not obs" -n $(WORKERS) $(SHARED) --minutes slow

minutes: $(READY)  ## How long each part of the tests took, from make test-all, into docs/testing.md
	@$(BIN)/python -m tests.minutes

# One at a time: a machine that is busy with other tests makes OBS late. Where OBS is missing it says so, and is skipped.
test-obs: $(READY) ledger  ## A shoot on a real OBS under Xvfb, judged by its own video (SEEDS=1,2,3 for others)
	OBS_SEEDS=$(SEEDS) $(PYTEST) -m obs --minutes obs tests/obs

# MUTANTS='tap/service --seed 2 --count 50' for another folder, seed or number. What is done is not done again, but for
# what survived when the tests have changed: 'rm -r .mutants' to start again.
MUTANTS ?= tap/core --seed 1 --count 150 --least 90

mutants: $(READY)  ## Do the tests notice when the code is wrong? Changes drawn from a seed; lists those that nobody noticed
	@$(BIN)/python -m tests.mutants $(MUTANTS)

# What is done is not done again: FAULTS='--part kill --scale 0.1' for less, 'rm -r .faults' to start again.
faults: $(READY) ledger  ## Every fault hundreds of times, part by part; goes on where it stopped, writes docs/faults.md
	$(BIN)/python -m tests.faults --resume $(FAULTS)

# Single parts: BENCH='--part saturation'; on where it was broken off: BENCH=--resume. It wants an idle machine.
bench: $(READY) $(BENCH_RUNS) ledger bench-node  ## What the tap costs beside others, under half an hour: docs/bench.md and its picture
	@$(BIN)/python -m bench $(BENCH)

bench-quick: $(READY) $(BENCH_RUNS) ledger bench-node  ## A rough look at the same, two to three minutes; writes nothing to docs/
	@$(BIN)/python -m bench --quick $(BENCH)

# The rules by which the browser tests judge pages; without them those tests are skipped, with the reason.
browser-node:
	@if command -v npm >/dev/null; then \
	    $(MAKE) -s $(BROWSER_PACKAGES) || echo "axe-core could not be installed (npm ci in tests/browser/node)" >&2; \
	fi

$(BROWSER_PACKAGES): tests/browser/node/package.json tests/browser/node/package-lock.json
	@echo "installing what is pinned in tests/browser/node/package-lock.json" >&2
	@cd tests/browser/node && npm ci --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

# The tap is measured as it ships: some packages load what they find beside them.
$(BENCH_RUNS): $(RUNS)
	@echo "installing into .bench/venv what the tap itself needs, to be measured with" >&2
	@$(BIN)/python -m venv --clear --without-pip .bench/venv
	@$(PIP) -q --python .bench/venv install --require-hashes -r requirements.txt
	@touch $@

# Where npm is missing, or the registry out of reach, the bench says who is not measured, and goes on without.
bench-node:
	@if command -v npm >/dev/null; then \
	    $(MAKE) -s $(BENCH_PACKAGES) \
	        || echo "what the tap is measured beside could not be installed (npm ci in bench/node)" >&2; \
	else \
	    echo "there is no npm, which brings Node-RED: the bench goes on without Node" >&2; \
	fi

$(BENCH_PACKAGES): bench/node/package.json bench/node/package-lock.json
	@echo "installing what is pinned in bench/node/package-lock.json" >&2
	@cd bench/node && npm ci --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

test-convex: convex-apps convex-tests  ## The ledger's functions in convex/: types, generated code, bundle and tests

# First: it makes again what the others read.
convex-generated: $(PACKAGES)
	cd convex && npm run --silent generated

convex-apps: convex-generated
	cd convex && npm run --silent types && npm run --silent bundle && npm run --silent apps

convex-tests: convex-generated
	cd convex && npm run --silent test

audit: $(READY)  ## Known weaknesses of what is pinned (pip-audit, npm audit); says so where they cannot be asked
	@$(BIN)/python .ci/audit.py

lint: $(READY)  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## Formats the code and fixes what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

venue-env: $(READY)  ## Writes systemd/venue.env.example from the settings
	@$(BIN)/python -m tap.service.venue.venuefile >systemd/venue.env.example

# With the hashes of every file for Python 3.11 and newer; they contain no address of a registry.
PINNED := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
    --no-emit-find-links --python-version 3.11

pins: $(READY)  ## Compiles requirements*.txt again from pyproject.toml, with hashes
	$(PIP) -qq install uv
	$(PINNED) --upgrade pyproject.toml -o requirements.txt
	$(PINNED) --upgrade --group dev pyproject.toml -c requirements.txt -o requirements-dev.txt
	$(PINNED) --upgrade --group build -c requirements-dev.txt -o requirements-build.txt

clean:  ## Removes what the other targets made
	rm -rf .venv .demo .bench .minutes .mutants bench/node/node_modules convex/node_modules tests/browser/node/node_modules .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist build
	find . -name __pycache__ -not -path '*/node_modules/*' -prune -exec rm -rf {} +
