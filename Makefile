# Run `make demo` or `make test`. Both set everything up first.
PYTHON ?= python3
BIN := .venv/bin
ENGINE ?= ../shared/container-engine
READY := .venv/ready
BENCH_READY := .venv/bench-ready
AUDIT_READY := .venv/audit-ready
AUDIT ?= pypi
BEGUN := $(shell date +%s)

.PHONY: setup demo docs test fuzz check test-docker browser proxies serve package client openapi lint types chaos bench-setup bench lock audit-setup audit licenses clean

setup: $(READY)

$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "regsweep needs Python 3.11 or newer; make PYTHON=python3.x")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-compile -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	$(BIN)/python -m compileall -q -j 0 .venv/lib || true  # on all cores, and pip on one; what does not compile is not used
	touch $@

demo: setup
	$(BIN)/regsweep demo

# Build the site of docs/ into .site/, to be opened there; needs no network.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open .site/index.html, or serve it with its search: $(BIN)/python -m http.server --directory .site"

serve: setup
	$(BIN)/regsweep serve

# Write bytecode even where the environment forbids it, or each of a hundred processes compiles our modules.
test: setup
	@$(MAKE) --no-print-directory -j lint types browser proxies
	mkdir -p .pytest_cache
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m slipcover --json --out .pytest_cache/coverage.json -m pytest
	$(BIN)/python -m slipcover --merge .pytest_cache/coverage.json --out .pytest_cache/coverage.json --fail-under 90
	@echo "make test took $$(($$(date +%s) - $(BEGUN))) seconds"

# Send a server what strangers could send: 10,000 requests and documents, 2,000 damaged files of each kind, and files that
# take much to read. `$(BIN)/python -m tests.fuzz --count 1000` does a tenth of it.
fuzz: setup
	$(BIN)/python -m tests.fuzz

# Before each commit: lint, types and the unit tests that train nothing.
check: setup lint types
	$(BIN)/pytest -m "unit and not slow"

# Follow docker/README.md: images, compose, lost workers, backups. Starts an engine where none runs; `$(ENGINE)/stop` ends
# it. Not part of `make test`: it needs root to start the engine, and builds gigabytes.
test-docker: setup
	docker version >/dev/null 2>&1 || environment="$$($(ENGINE)/start)" && eval "$$environment" && $(BIN)/python -m tests.docker

# Tests open the report in a real one.
browser:
	@for name in chromium chromium-browser google-chrome chrome; do command -v $$name >/dev/null && exit 0; done; \
	command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] || { \
	  echo "Chromium is missing, and only root can install it here: the tests that open the report in a browser are skipped."; exit 0; }; \
	apt-get install -y -qq chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium >/dev/null; }

# Tests run the examples of docker/ in real ones; not where installing them would start them. apt-get runs once at a time.
proxies: browser
	@command -v nginx >/dev/null && command -v caddy >/dev/null && exit 0; \
	command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && [ ! -d /run/systemd/system ] || { \
	  echo "nginx or Caddy is missing, and is not installed here: the tests that run behind them are skipped."; exit 0; }; \
	install="env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends nginx-light caddy"; \
	$$install >/dev/null 2>&1 || { apt-get update -qq && $$install >/dev/null; } || echo "nginx or Caddy cannot be installed."

# Build the wheel and the sdist into dist/.
package: setup
	$(BIN)/python -m hatchling build --directory dist

# Make the blocking client from the one for asyncio.
client: setup
	$(BIN)/python -m tests.blocking_client

# Write the OpenAPI document into docs/, after `make test` has said what a change of it breaks.
openapi: setup
	$(BIN)/python -m tests.released_document

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: setup
	$(BIN)/mypy

# Break everything that may break (about a quarter of an hour), on both databases; `make test` has the short ones, each on one.
chaos: setup
	$(BIN)/python -m tests.chaos

# Install the real tables that benchmarks measure on.
bench-setup: $(BENCH_READY)

$(BENCH_READY): $(READY) requirements/bench.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	touch $@

bench: bench-setup
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.kernel
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.listeners
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.strangers
	$(BIN)/python -m benchmarks.first_trial
	$(BIN)/python -m benchmarks.workers
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.pages
	$(BIN)/python -m benchmarks.trackers
	$(BIN)/python -m benchmarks.networks
	$(BIN)/python -m benchmarks.profile
	$(BIN)/python -m benchmarks.quality
	$(BIN)/python -m benchmarks.time_to_quality
	$(BIN)/python -m benchmarks.pruners
	$(BIN)/python -m benchmarks.pruners --learning-rate
	$(BIN)/python -m benchmarks.common_seeds
	$(BIN)/python -m benchmarks.trials_an_hour
	$(BIN)/python -m benchmarks.comparison
	$(BIN)/python -m benchmarks.planted
	$(BIN)/python -m benchmarks.simulated
	$(BIN)/python -m benchmarks.raw_rows
	$(BIN)/python -m benchmarks.real_tables
	$(BIN)/python -m benchmarks.table_size

# Lock names, versions and hashes for every platform; needs uv.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	  --extra worker --extra postgres --extra s3 --extra tracing --extra ray --extra mlflow --extra tensorboard \
	  --extra wandb --extra onnx --group dev -o requirements/dev.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	  --extra worker --extra postgres --extra s3 --extra tracing -c requirements/dev.txt -o requirements/worker.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	  --extra server --extra postgres --extra s3 --extra tracing -c requirements/dev.txt -o requirements/server.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	  --extra gpu --extra postgres --extra s3 --extra tracing -c requirements/dev.txt -o requirements/worker-gpu.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	  --extra ray -c requirements/dev.txt -o requirements/ray.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	  --extra mlflow --extra tensorboard --extra wandb --extra onnx -c requirements/dev.txt -o requirements/tracking.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	  --group build -c requirements/dev.txt -o requirements/build.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	  --group bench -c requirements/dev.txt -o requirements/bench.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	  --group audit -c requirements/dev.txt -o requirements/audit.txt

# Look the locked versions up in a database of known faults; fails where none can be reached.
audit: audit-setup
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off --vulnerability-service $(AUDIT) \
	  $(addprefix --requirement requirements/,server.txt worker.txt worker-gpu.txt ray.txt tracking.txt dev.txt bench.txt build.txt audit.txt)

# List the licences of what the images hold.
licenses: audit-setup
	printf '# Licences\n\nOf every package that the images hold, as `make licenses` wrote it. psycopg comes with the extra `postgres` only.\n\n' >docs/licenses.md
	$(BIN)/pip-licenses --format markdown --with-system --no-version >>docs/licenses.md \
	  --packages $$(grep -hoE '^[A-Za-z0-9._-]+==' requirements/server.txt requirements/worker.txt | tr -d = | sort -u)

audit-setup: $(AUDIT_READY)

$(AUDIT_READY): $(READY) requirements/audit.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/audit.txt
	touch $@

clean:
	rm -rf .venv .site .mypy_cache .ruff_cache .pytest_cache .hypothesis
