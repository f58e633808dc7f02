# Every target only calls; what it calls is explained by `make help`.
.DEFAULT_GOAL := help

PYTHON ?= python3
# uv of the machine, or one of the project's own where there is none.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --frozen --no-sync

# Imports of compiled packages are three times faster, and the stack starts twenty processes.
export UV_COMPILE_BYTECODE := 1

.PHONY: help setup lock format lint types arrows test check audit fuzz up up-native down status demo bench compose

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[36m%-10s\033[0m %s\n", $$1, $$2}'

# --- set up

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv

# The stamp spares every other target a look at all installed packages.
.venv/.synced: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --frozen --all-extras
	@touch $@

setup: .venv/.synced ## Install everything that is locked into .venv

lock: | $(filter .uv/bin/uv,$(UV)) ## Resolve dependencies anew into uv.lock
	$(UV) lock

# --- check

format: setup ## Format the code
	$(RUN) ruff format .
	$(RUN) ruff check --fix-only --quiet .

lint: setup ## Check style and format
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: setup ## Check types
	$(RUN) mypy

arrows: setup ## Check that imports follow the architecture
	$(RUN) lint-imports

test: setup ## Run the whole test suite
	$(RUN) pytest --numprocesses auto --dist loadgroup

check: lint types arrows test ## All that CI runs

audit: | $(filter .uv/bin/uv,$(UV)) ## Look all locked packages up among known vulnerabilities (osv.dev)
	$(UV) audit --frozen --preview-features audit-command || \
		{ echo "audit: vulnerabilities were found, or osv.dev did not answer: see above" >&2; exit 1; }

SECONDS ?= 60
fuzz: setup ## Feed the image decoder mutated files for SECONDS (60)
	$(RUN) python -m tests.fuzz.decoding $(SECONDS)

# --- run

up: setup ## Start Airflow, MLflow and the server on this machine
	$(RUN) vigie up

up-native: setup ## Start it with Celery workers, on a Redis and PostgreSQL of yours
	VIGIE_EXECUTOR=celery $(RUN) vigie up

down: setup ## Stop every process that `up` or `demo` started
	$(RUN) vigie down

status: setup ## Show what runs and whether it answers
	$(RUN) vigie status

demo: setup ## Take phantom images through the whole journey
	$(RUN) vigie demo

# The other files in benchmarks/ are parts of these.
BENCHMARKS := serve_install gates training ingest leakage validation explain inference reload serving accuracy \
	drift review retention burst capacity celery_ingest

bench: setup ## Measure the claims of the README
	$(foreach name,$(BENCHMARKS),$(RUN) python benchmarks/$(name).py &&) true

compose: ## Start the deployment of docker-compose.yml (needs Docker and .env)
	docker compose up --build --detach --wait
