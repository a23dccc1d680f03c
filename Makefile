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
.PHONY: help setup hashes repro smoke study test lint lock licences deps pages readme pull release release-check report image image-test test-servers test-long test-changed test-processors bench bench-compare

DOCKER ?= docker
TORCH ?= cuda
IMAGE ?= iquitos-citylearn:$(TORCH)
DOCKER_BUILD_OPTIONS ?=
# Whose files the image writes: the caller's, also behind sudo; root itself gets a number that is not root.
OWNER ?= $(firstword $(filter-out : 0:%,$(shell id -u):$(shell id -g) $(SUDO_UID):$(SUDO_GID)) 1000:1000)
BASE ?= HEAD~1

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

setup: $(READY) ## Make .venv and install the locked dependencies and the package

repro: $(READY) ## Run the pipeline: whatever is stale, nothing else; nothing is pulled; then say what it gave
	$(PY) -m iquitos_citylearn.tools.pipeline_file
	$(PY) -m iquitos_citylearn.tools.repro
	.venv/bin/iquitos trace
	$(PY) -m iquitos_citylearn.tools.run_report

smoke: $(READY) ## Run the same pipeline on small params in .smoke, for a first look
	$(PY) -m iquitos_citylearn.study.case params/smoke.yaml .smoke

study: $(READY) ## Run what goes beyond the default run, all or PART="raw weak_grid" (needs make repro)
	$(PY) -m iquitos_citylearn.study $(PART)

test: $(READY) ## Run the tests
	$(PY) -m pytest -n 3 --dist loadgroup

test-long: $(READY) ## Run the longest tests: a whole year in CityLearn, a whole pipeline once more
	$(PY) -m pytest -n 2 -m long

# Debian's qemu-user emulates processors; without it, and without the right to install it, nothing is tested.
test-processors: $(READY) ## Compare the bytes of a tiny run on emulated processors of both makers (about 10 minutes)
	@command -v qemu-x86_64 >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && { apt-get install --yes --quiet qemu-user || { apt-get update --quiet && apt-get install --yes --quiet qemu-user; }; }; } || \
	  printf '%s\n' '!!!!' '!!!! NOT TESTED: other processors. qemu-x86_64 is missing and could not be installed (apt install qemu-user).' '!!!!' >&2
	@! command -v qemu-x86_64 >/dev/null || $(PY) -m pytest -m processors tests/arithmetic

hashes: $(READY) ## Write the hashes that make test makes anew, after a change of results that is meant
	$(PY) -m tests.arithmetic.hashes

test-changed: $(READY) ## Change params in a fresh clone of the last commit, run the pipeline there and then the tests
	.ci/changed-params

lint: $(READY) ## Check style, types and the Dockerfile
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/hadolint Dockerfile

pull: $(READY) ## Fetch all files of the committed run, or change nothing (REMOTE=name: not from release/)
	$(PY) -m iquitos_citylearn.tools.pull $(REMOTE)

report: $(READY) ## Write what changed since a commit (BASE=HEAD~1) as Markdown, for a pull request
	@echo '## Params'; $(PY) -m dvc params diff --md $(BASE)
	@echo '## Results'; $(PY) -m dvc metrics diff --md $(BASE)

# Made anew, the folder holds nothing that dvc.lock does not name.
release: $(READY) ## Put every file of the run in dvc.lock into the remote that is shipped with the repository
	$(PY) -m dvc status --quiet || { echo 'Something is stale: run make repro first.' >&2; exit 1; }
	rm -rf release
	$(PY) -m dvc push --remote release

release-check: $(READY) ## Check the last commit: its README shows its results, and a fresh clone gets all their files
	$(PY) -m pytest -m release tests/delivery

test-servers: $(READY) ## Push to and pull from real SSH, HTTP and S3 servers on 127.0.0.1; compile the locks again
	$(PY) -m pip install --quiet --no-deps --require-hashes --requirement requirements/servers.lock
	$(PY) -m pytest -m servers tests/delivery

image: ## Build the image (TORCH=cuda or cpu), for the caller's own user
	$(DOCKER) build $(DOCKER_BUILD_OPTIONS) --tag $(IMAGE) --build-arg TORCH=$(TORCH) --build-arg OWNER=$(OWNER) \
	  --build-arg SOURCE="$$(git config --get remote.origin.url | sed 's|//[^/]*@|//|')" --build-arg REVISION=$$(git describe --always --dirty) \
	  --build-arg VERSIONS="$$(sed -n 's/^\([a-z0-9-]*\): "\(.*\)".*/\1=\2/p' requirements/numerics.yaml | tr '\n' ' ')" .

image-test: $(READY) smoke image ## Run the pipeline in the image, twice, and compare it with this machine's own run; compose, dev container
	IMAGE=$(IMAGE) $(PY) -m pytest -m image tests/delivery

lock: ## Compile the locks from the files in requirements/ (UPGRADE=1: newest versions)
	@[ -e $(READY) ] || $(MAKE) setup # an older set-up will do: the next command installs the new lock
	$(PY) requirements/lock.py $(if $(UPGRADE),--upgrade)

licences: $(READY) ## List the licences of all locked packages in requirements/LICENCES.md
	$(PY) requirements/licences.py

readme: $(READY) ## Put the results in metrics/ into README and its picture, both cards and the summary of the study
	$(PY) -m iquitos_citylearn.tools.readme
	$(PY) -m iquitos_citylearn.tools.cards
	$(PY) -m iquitos_citylearn.study.summary

deps: $(READY) ## Write into dvc.yaml what follows from params.yaml, the register of policies and the imports
	$(PY) -m iquitos_citylearn.tools.pipeline_file

pages: $(READY) ## Write docs/params.md, docs/results.md and the rooms in docs/architecture.md from params.yaml and the sources
	$(PY) -m iquitos_citylearn.tools.reference_pages

bench: $(READY) ## Measure speed, all parts or PARTS="simulator start_up" (needs data/site)
	$(PY) -m bench $(PARTS)

bench-compare: $(READY) ## Show how metrics/bench.json differs from bench/baseline.json
	$(PY) -m bench compare

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

$(READY): $(LOCKED) pyproject.toml requirements/venv.pth
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	for path in "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"/__editable__.iquitos_citylearn-*.pth; do \
	  cp requirements/venv.pth "$$path" || exit; done
	$(PY) -m iquitos_citylearn.tools.folder
	touch $@
