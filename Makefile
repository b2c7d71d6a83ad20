# Everything a newcomer needs, in one place: make help

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help quickstart job continue redwhale importance kanana install install-dev install-old test test-old-core old-python test-te te-env check format bench \
        gpu-accept gpu-bundle clean

DEVICE ?= cpu
FOLDER ?= examples/quickstart
ARGS ?=
GPU_OUTPUT ?= runs/gpu-accept
# A shell that forbids bytecode would compile the sources anew in each of the hundreds of processes below.
unexport PYTHONDONTWRITEBYTECODE
# Test files run side by side, those that take long first (tests/conftest.py); ranks wait for each other much of the time,
# so two cores carry more workers. A test that hangs ends its worker, with the stacks.
PARALLEL ?= -n $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? 4 : n < 8 ? n : 8))) --dist loadfile \
            --no-loadscope-reorder -o faulthandler_timeout=900 -o faulthandler_exit_on_timeout=true
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.installed
DEV_READY := $(VENV)/.installed-dev
# The second environment: the older megatron-core, which Python 3.10 and 3.11 get (docs/megatron_core.md).
OLD_VENV := .venv-3.11
OLD_READY := $(OLD_VENV)/.installed
# A third one: the packages of .venv and Transformer Engine, which is compiled for their torch (docs/gpu/README.md).
TE_VENV := .venv-te
TE_READY := $(TE_VENV)/.installed
PYENV := $${PYENV_ROOT:-$$HOME/.pyenv}/versions
# A PYTHON that is given, or in order of preference; each is tried by running it, because pyenv's shims exist for versions
# that are not selected.
PYTHONS = $(or $(PYTHON),python3.12 $(PYENV)/3.12.*/bin/python python3.11 $(PYENV)/3.11.*/bin/python \
          python3.10 $(PYENV)/3.10.*/bin/python python3)
OLD_PYTHONS = $(OLD_PYTHON) python3.11 $(PYENV)/3.11.*/bin/python
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
IS_OLD := import sys; sys.exit(sys.version_info[:2] != (3, 11))
VERSION := import sys; print("%d.%d" % sys.version_info[:2])
# $(call find,CANDIDATES,USABLE) prints the first Python that can be used.
find = for python in $(1); do if $$python -c '$(2)' >/dev/null 2>&1; then echo $$python; break; fi; done
# Prints why .venv must be created anew although it is there, or nothing. A PYTHON that was given once is kept in the stamp:
# it stays until another one is given.
define replace
have=$$($(PY) -c '$(VERSION)' 2>/dev/null) || { [ ! -e $(READY) ] || echo "$(PY) does not run"; exit 0; }; \
if [ -z "$(PYTHON)" ] && [ -s $(READY) ]; then exit 0; fi; \
found=$$($(call find,$(PYTHONS),$(SUPPORTED))); \
if [ -z "$$found" ]; then [ -z "$(PYTHON)" ] || echo "$(PYTHON) cannot be used"; exit 0; fi; \
want=$$($$found -c '$(VERSION)'); \
if [ $$have != $$want ]; then echo "$(VENV) has Python $$have, $$found is Python $$want"; fi
endef

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  DEVICE=cpu|cuda   device of quickstart and job (cuda: all GPUs of this host, bf16)"
	@echo "  FOLDER=...        data.yaml and train.yaml of job"
	@echo "  ARGS='...'        further arguments, such as ARGS='train.training.steps=100'"

quickstart: $(READY) ## Raw text to a verified model and a report, in minutes
	@$(PY) -m megatron_ko job examples/quickstart --device $(DEVICE) $(ARGS)

job: $(READY) ## The same for FOLDER (examples/python_docs, or yours: mko init)
	@$(PY) -m megatron_ko job $(FOLDER) --device $(DEVICE) $(ARGS)

continue: $(READY) ## Korean for a model you have: extend, expand, continue its training
	@$(PY) -m examples.continue $(ARGS)

redwhale: $(READY) ## Korean tokens for small English models, judged
	@$(PY) -m examples.redwhale $(ARGS)

importance: $(READY) ## Six ways to score what a smaller model keeps, as in Kanana
	@$(PY) -m examples.importance $(ARGS)

kanana: $(READY) ## Pruned and distilled at a tenth of the tokens, against from scratch
	@$(PY) -m examples.kanana $(ARGS)

install: $(READY) ## Only create .venv with the pinned requirements

install-dev: $(DEV_READY) ## The same with ruff, pyright, Ray, datatrove

install-old: $(OLD_READY) # .venv-3.11, for test-old-core

test: $(READY) ## The tests: CPU, offline, minutes
	@$(PY) -m pytest -q $(PARALLEL) $(ARGS)

test-old-core: $(OLD_READY) ## Training and checkpoints on Python 3.11
	@$(OLD_VENV)/bin/python -m pytest -q $(PARALLEL) -m 'not slow and not network and not any_core' \
	  tests/megatron_ko tests/checkpoint_tools $(ARGS)

old-python: # prints the Python of test-old-core, fails where there is none
	@for python in $(OLD_PYTHONS); do \
	  if $$python -c '$(IS_OLD)' >/dev/null 2>&1; then echo $$python; exit 0; fi; \
	done; exit 1

te-env: $(TE_READY) ## .venv-te with Transformer Engine; no GPU

test-te: $(TE_READY) ## The wiring against Transformer Engine itself
	@$(TE_VENV)/bin/python -m pytest -q tests/gpu/test_engine.py $(ARGS)

check: $(DEV_READY) ## Formatting, lint and types
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m pyright

format: $(DEV_READY) ## Format the source and repair what lint can repair
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

bench: $(READY) ## Measure start-up and a training step
	@$(PY) -m tests.bench.startup
	@$(PY) -m tests.bench.train_cpu $(ARGS)

gpu-accept: $(READY) ## Compare and measure on a GPU
	@failed=0; for command in core te features; do \
	  $(PY) -m tests.gpu.accept $$command --output $(GPU_OUTPUT) $(ARGS) || failed=1; \
	done; exit $$failed

gpu-bundle: ## Pack .gpu/ for a GPU without a network
	@PYTHON=$${PYTHON:-$$($(call find,$(PYTHONS),import sys; sys.exit(sys.version_info[:2] != (3, 12))))} tests/gpu/bundle.sh .gpu $(ARGS)

clean: ## Remove .venv, .venv-* and caches; runs/ stays
	@rm -rf $(VENV) $(OLD_VENV) $(TE_VENV) $(TE_VENV)-build .pytest_cache .ruff_cache .hypothesis *.egg-info build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "removed .venv, .venv-3.11, .venv-te and caches; runs/ is kept"

# The stamp is written last: an interrupted installation is taken up again.
.SECONDEXPANSION:
FORCE:
$(READY): $$(if $$(shell $$(replace)),FORCE)
$(READY): CANDIDATES = $(PYTHONS)
$(READY): GIVEN = $(PYTHON)
$(READY): REPLACE = $(replace)
$(READY): USABLE = $(SUPPORTED)
$(READY): WANTED = Python 3.10, 3.11 or 3.12 found; install one (3.12 is best), or name it: make PYTHON=/path/to/python3.12
$(OLD_READY): REPLACE = true
$(OLD_READY): CANDIDATES = $(OLD_PYTHONS)
$(OLD_READY): USABLE = $(IS_OLD)
$(OLD_READY): WANTED = Python 3.11 found; install it, or name it: make test-old-core OLD_PYTHON=/path/to/python3.11
$(READY) $(OLD_READY): requirements.txt $(wildcard pyproject.toml)
	@why=$$($(REPLACE)); \
	if [ -n "$$why" ] || ! $(@D)/bin/python -c '$(USABLE)' >/dev/null 2>&1; then \
	  found=$$($(call find,$(CANDIDATES),$(USABLE))); \
	  if [ -z "$$found" ]; then echo "error: $${why:+$$why, }no $(WANTED)"; exit 2; fi; \
	  if [ -n "$$why" ]; then echo "$$why: $(@D) is created anew"; fi; \
	  echo "creating $(@D) with $$($$found --version)"; \
	  $$found -m venv --clear $(@D) || { \
	    echo "error: $$found cannot create virtual environments; on Debian: apt-get install python3-venv"; exit 2; }; \
	fi
	@echo "installing the pinned requirements into $(@D), once (a few minutes: PyTorch is large)"
	@PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 $(@D)/bin/python -m pip install --progress-bar off -r requirements.txt \
	  | sed -un -e 's/^Collecting \([^ ;(]*\).*/  \1/p' -e 's/^Installing collected packages.*/  unpacking .../p'
	@if [ -f pyproject.toml ]; then \
	  PIP_DISABLE_PIP_VERSION_CHECK=1 $(@D)/bin/python -m pip install --quiet --no-deps -e .; \
	fi
	@if [ -n "$(GIVEN)" ]; then echo "$(GIVEN)" > $@; else touch $@; fi
	@echo "installed"

$(TE_READY): tests/gpu/te_env.sh tests/gpu/compile_engine.sh | $(READY)
	@tests/gpu/te_env.sh $(TE_VENV) $(VENV)
	@touch $@

$(DEV_READY): requirements-dev.txt $(READY)
	@echo "installing the requirements of developers into $(@D)"
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(PY) -m pip install --quiet --progress-bar off -r requirements-dev.txt
	@touch $@
