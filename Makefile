# Every target sets up what it needs in .venv; python3 (>= 3.11) and git are all a machine must have.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONTROLPLANE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/reconciler/controlplane

.PHONY: help demo test coverage seeds fuzz lint types layers format controlplane bench lock clean

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

$(VENV)/.run: requirements/run.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/run.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(VENV)/.run ## Tell the whole story on two embedded clusters (ARGS=--fast, ARGS=--keep)
	$(BIN)/reconciler demo $(ARGS)

test: $(VENV)/.dev ## Run the tests (with a real kube-apiserver where KUBEBUILDER_ASSETS is set)
	PYTHONHASHSEED=$$(date +%s) $(BIN)/python -m pytest --numprocesses=2 --dist=loadfile $(ARGS)

coverage: $(VENV)/.dev ## Check that the rooms which decide are covered, every branch
	$(BIN)/python -m pytest -q tests/plan tests/rollout tests/trust tests/digest --cov=reconciler.plan \
		--cov=reconciler.rollout --cov=reconciler.trust --cov=reconciler.digest --cov-branch --cov-fail-under=100

seeds: $(VENV)/.dev ## Play many random worlds in parallel (ARGS=--seeds=500)
	$(BIN)/python tests/world/world_play.py $(ARGS)

fuzz: $(VENV)/.dev ## Send fresh odd inputs to every parser of what strangers send (ARGS=--seconds=120)
	$(BIN)/python tests/fuzz/fuzz_play.py $(ARGS)

lint: $(VENV)/.dev ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## Check types
	$(BIN)/mypy

layers: $(VENV)/.dev ## Check that imports only point inwards
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

controlplane: ## Build a real Kubernetes control plane for the tests (needs go; a few minutes, cached)
	tests/controlplane/build.sh "$(CONTROLPLANE)"
	@echo 'export KUBEBUILDER_ASSETS=$(CONTROLPLANE)'

bench: $(VENV)/.dev ## Measure; writes tests/bench/results.json and prints a table
	$(BIN)/python -m tests.bench $(ARGS)

lock: $(VENV)/.dev ## Resolve the dependencies again
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev -o requirements/dev.txt

clean: ## Remove what the targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis .coverage* dist build
