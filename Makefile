# The commands of the README; `make help` lists them. All work from a clone in an empty folder with Python 3.11, git
# and make; everything is installed into .venv, with pip as it is configured on this machine.

PYTHON ?=
PY := .venv/bin/python
LOCKED := .venv/.locked
READY := .venv/.ready

# Nothing outside .venv takes part, whatever the caller's environment says.
export PIP_USER := 0
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup repro smoke test lint lock deps readme

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

setup: $(READY) ## Make .venv and install the locked dependencies and the package

repro: $(READY) ## Run the pipeline: whatever is stale, nothing else; nothing is pulled
	$(PY) -m iquitos_citylearn.repro
	@for agent in sac ppo a2c; do \
	  [ -e metrics/simulations/trace_$$(echo $$agent | tr a-z A-Z).csv ] || .venv/bin/iquitos trace $$agent || exit; done

smoke: $(READY) ## Run the same pipeline on small params in .smoke, for a first look
	mkdir -p .smoke/data
	ln -sfn ../src .smoke/src
	ln -sfn ../requirements .smoke/requirements
	ln -sfn ../../data/raw .smoke/data/raw
	cp dvc.yaml .smoke/dvc.yaml
	$(PY) -m iquitos_citylearn.overlay params.yaml params/smoke.yaml .smoke/params.yaml
	cd .smoke && { [ -d .dvc ] || ../$(PY) -m dvc init --quiet --no-scm; } && ../$(PY) -m iquitos_citylearn.repro

test: $(READY) ## Run the tests
	$(PY) -m pytest -n 2 --dist loadgroup

lint: $(READY) ## Check style and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

lock: ## Compile the locks from base.in, numerics.yaml and overrides.txt (UPGRADE=1: newest versions)
	@[ -e $(READY) ] || $(MAKE) setup # an older set-up will do: the next command installs the new lock
	$(PY) requirements/lock.py $(if $(UPGRADE),--upgrade)

readme: $(READY) ## Put the results in metrics/ into the README
	$(PY) -m iquitos_citylearn.readme

deps: $(READY) ## Write the modules and versions that each stage uses into dvc.yaml
	$(PY) tests/import_graph.py

# A stamp is written last: a set-up that was interrupted is done again from the start.
# The packages of the lock come first, so that pip finds all that torch needs but its CUDA build's own libraries.
$(LOCKED): requirements/base.lock requirements/numerics.yaml
	@python=$(PYTHON); \
	for candidate in $(if $(PYTHON),,python3.11 python3 python); do \
	  [ -n "$$python" ] || ! $$candidate -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || python=$$candidate; \
	done; \
	[ -n "$$python" ] || { echo 'Python 3.11 is needed, and none of python3.11, python3 and python is one.' >&2; \
	  echo 'Install it (on Debian 12: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3.11' >&2; exit 1; }; \
	$$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "$$python is not Python 3.11." >&2; exit 1; }; \
	$$python -c 'import ensurepip, venv' || { echo "$$python cannot make virtual environments: install python3-venv." >&2; exit 1; }; \
	$$python -m venv --clear .venv
	@echo 'Installing the locked packages into .venv: about two minutes.'
	$(PY) -m pip install --quiet --no-deps --use-pep517 --require-hashes --requirement requirements/base.lock
	$(PY) -m pip install --quiet --no-warn-conflicts "$$(sed -n 's/^torch: "\(.*\)"$$/torch==\1/p' requirements/numerics.yaml)"
	touch $@

$(READY): $(LOCKED) pyproject.toml
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: bench bench-compare

bench: $(READY) ## Measure speed, all parts or PARTS="simulator start_up" (needs data/site)
	$(PY) -m bench $(PARTS)

bench-compare: $(READY) ## Show how metrics/bench.json differs from bench/baseline.json
	$(PY) -m bench compare
