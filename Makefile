# otel-llm: `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Rust, where it is at hand. Without it the native part is left out, and Python does the same, slower; where it is too
# old, too, unless this is CI.
RUST := $(shell command -v cargo)
NO_NATIVE := { echo "SKIPPED: the native part (./native) cannot be built: it needs Rust 1.87 or newer"; test -z "$$CI"; }
UNIT = $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz test-sdks test-emitters test-interop test-spark test-kills test-slow test-prefork check lint types layers unit format docs wheel bench-app bench-collector bench-columns bench-compaction bench-endpoint bench-query bench-rollups clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Set up if needed, then show the whole path: app, collector, Parquet, SQL
	$(BIN)/otel-llm demo

test: $(READY) check unit ## Set up if needed, then run every check and every test

test-sdks: $(READY) ## Try the newest SDKs and frameworks in environments of their own, write docs/sdks.md
	$(BIN)/python tests/sdks/run.py $(SDKS)

test-emitters: $(READY) ## Run the emitters of all dialects again: they send what is stored (5 minutes)
	cd tests && ../$(BIN)/python -m emitters.run $(EMITTERS)

test-interop: $(READY) ## The collector with OpenTelemetry's own SDKs and collector and with Jaeger, built once (6 minutes)
	cd tests && ../$(BIN)/python -m interop.builds
	$(BIN)/python -m pytest tests/interop

test-spark: $(READY) ## Spark reads the lake: examples/spark, with Java and Maven (installs 500 MB once)
	$(BIN)/python -m pytest tests/spark

test-kills: $(READY) ## A hundred SIGKILLs of the collector under load: nothing lost, nothing twice (5 minutes)
	cd tests && ../$(BIN)/python -m rig.killing

test-slow: $(READY) ## What takes longer than the others: buckets, whole demos, large lakes (5 minutes)
	$(UNIT) -m slow

test-prefork: $(READY) ## Forks, gunicorn, Celery, multiprocessing: every span arrives (2 minutes)
	$(BIN)/python -m pytest -m prefork

check: lint types layers ## Style, types and layers

lint: $(READY) ## Style (ruff; clippy and rustfmt where there is Rust)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then \
		cargo fmt --manifest-path native/Cargo.toml --check && \
		cargo clippy --quiet --locked --manifest-path native/Cargo.toml -- --deny clippy::all; \
	else echo "SKIPPED: the style of native/, since cargo, rustfmt or clippy is missing"; fi

types: $(READY) ## Types (mypy, strict)
	$(BIN)/mypy

layers: $(READY) ## Who may import whom (import-linter)
	$(BIN)/lint-imports --no-logo

unit: $(READY) ## The tests, a process more than there are cores; a file stays together and in order
	$(UNIT)

format: $(READY) ## Write the code as ruff and rustfmt would
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(if $(RUST),cargo fmt --manifest-path native/Cargo.toml)

docs: $(READY) ## Write the reference pages from the code, and the answers to docs/questions.py (half a minute)
	$(BIN)/python docs/reference.py
	$(BIN)/python docs/questions.py
	$(BIN)/python tests/sdks/page.py

wheel: $(READY) ## Build the wheel into dist/, and where there is Rust the one that reads OTLP natively
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist .
	@$(if $(RUST),$(BIN)/python -m build --wheel --outdir dist native || $(NO_NATIVE))

bench-app: $(READY) ## What we add to a call (collector healthy, down, hung, slow) and to the start
	$(BIN)/python benchmarks/app_calls.py
	$(BIN)/python benchmarks/app_sdks.py
	$(BIN)/python benchmarks/app_exporter.py
	$(BIN)/python benchmarks/app_start.py

bench-collector: $(READY) ## What the collector takes: spans/s, CPU, memory, lag, small requests, beside the OpenTelemetry Collector
	$(BIN)/python benchmarks/collector.py

bench-endpoint: $(READY) ## What ingestion keeps of its rate while others ask heavy SQL, and while fifty rules of alerts are looked at
	$(BIN)/python benchmarks/endpoint.py

fuzz: $(READY) ## Changed requests to decoder and collector, REQUESTS=20000 of them; atheris where it can be installed
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: atheris
	PYTHONPATH=tests $(BIN)/python -m fuzz --requests $(or $(REQUESTS),20000)

bench-columns: $(READY) ## What the collector's columns take beside the row-by-row reference
	$(BIN)/python benchmarks/columns_pricing.py
	$(BIN)/python benchmarks/columns_converter.py
	$(BIN)/python benchmarks/columns_counting.py

bench-compaction: $(READY) ## What merging files takes, and what a span takes on disk before and after
	$(BIN)/python benchmarks/compaction.py

bench-query: $(READY) ## How long questions take over a million and ten million spans (makes them: 3 GB, some minutes)
	$(BIN)/python benchmarks/query_lake.py

bench-rollups: $(READY) ## How long questions take that a billion calls are added up for (makes that: 2 GB, some minutes)
	$(BIN)/python benchmarks/rollup_lake.py

clean: ## Remove what the targets made
	rm -rf $(VENV) .venvs dist native/target .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(READY): pyproject.toml native/Cargo.toml native/Cargo.lock native/pyproject.toml native/otel_llm_native.pyi \
		$(wildcard native/src/*.rs)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "otel-llm needs Python 3.11 or newer; try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@$(if $(RUST),$(BIN)/python -m pip install --quiet --disable-pip-version-check ./native || $(NO_NATIVE),\
		echo "SKIPPED: the native part (./native), since there is no cargo to build it with")
	@touch $(READY)
