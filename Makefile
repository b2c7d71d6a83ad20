# Everything a newcomer needs, in one place: make help

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help quickstart main-job redwhale install test check format bench clean

DEVICE ?= cpu
FOLDER ?= examples/quickstart
ARGS ?=
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.installed
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  DEVICE=cpu|cuda   device of quickstart and main-job (cuda: all GPUs of this host, bf16)"
	@echo "  FOLDER=...        data.yaml and train.yaml of main-job"
	@echo "  ARGS='...'        further arguments, such as ARGS='train.training.steps=100'"

quickstart: $(READY) ## Raw text to a verified Hugging Face model and a report, in minutes on two CPU cores
	@$(PY) -m examples.main_job examples/quickstart device=$(DEVICE) $(ARGS)

main-job: $(READY) ## The same for FOLDER (examples/own_text, examples/python_docs, or yours)
	@$(PY) -m examples.main_job $(FOLDER) device=$(DEVICE) $(ARGS)

redwhale: $(READY) ## Korean tokens for small English models: every initialization of their rows, judged
	@$(PY) -m examples.redwhale $(ARGS)

install: $(READY) ## Only create .venv with the pinned requirements

test: $(READY) ## The tests: CPU, offline, minutes
	@$(PY) -m pytest -q $(ARGS)

check: $(READY) ## Formatting, lint and types
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m pyright

format: $(READY) ## Format the source and repair what lint can repair
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

bench: $(READY) ## Measure start-up and a training step; preprocessing: python -m tests.bench.data --help
	@$(PY) -m tests.bench.startup
	@$(PY) -m tests.bench.train_cpu $(ARGS)

clean: ## Remove .venv and caches; runs/ stays
	@rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis *.egg-info build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "removed .venv and caches; runs/ is kept"

# The stamp is written last: an interrupted installation is taken up again.
$(READY): requirements.txt $(wildcard pyproject.toml)
	@if ! { test -x $(PY) && $(PY) -c '$(SUPPORTED)'; } >/dev/null 2>&1; then \
	  found=; \
	  for python in $(PYTHON) python3.11 python3.12 python3.10 python3; do \
	    if $$python -c '$(SUPPORTED)' >/dev/null 2>&1; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "error: no Python 3.10, 3.11 or 3.12 found; install one, or name it: make PYTHON=/path/to/python3.11"; \
	    exit 2; \
	  fi; \
	  echo "creating $(VENV) with $$($$found --version)"; \
	  $$found -m venv --clear $(VENV) || { \
	    echo "error: $$found cannot create virtual environments; on Debian: apt-get install python3-venv"; exit 2; }; \
	fi
	@echo "installing the pinned requirements into $(VENV), once (a few minutes: PyTorch is large)"
	@PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 $(PY) -m pip install --progress-bar off -r requirements.txt \
	  | sed -un -e 's/^Collecting \([^ ;(]*\).*/  \1/p' -e 's/^Installing collected packages.*/  unpacking .../p'
	@if [ -f pyproject.toml ]; then \
	  PIP_DISABLE_PIP_VERSION_CHECK=1 $(PY) -m pip install --quiet --no-deps -e .; \
	fi
	@touch $(READY)
	@echo "installed"
