# Two commands do all the set-up on a fresh Linux machine: `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MEMBERS := . operator extender profiler-job
SOURCES := src operator/src extender/src profiler-job/src devcluster demo tests bench examples charts monitoring reference release

.PHONY: help demo test test-fast test-kubernetes fuzz soak chaos lint clean clean-cache requirements charts monitoring references release bench-extender bench-scheduler bench-plan bench-planner bench-devcluster bench-predict bench-influence bench-active bench-siblings bench-memory bench-profile bench-regressors measure bench-placement bench-orders bench-scale bench-waves bench-burst bench-operator bench-first-prediction bench-newcomer bench-services

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

# On a Debian without Python, or with Python and no venv, root gets them; elsewhere the messages say what to do.
$(READY): requirements/dev.txt pyproject.toml $(wildcard */pyproject.toml)
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "==> apt-get install python3 python3-venv ca-certificates"; \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    python3 python3-venv ca-certificates >/dev/null; \
	fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Foretide needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	@echo "==> Python environment in $(VENV) (about a minute the first time)"
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(VENV); \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt; \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ./,$(MEMBERS)); \
	else \
	  $(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }; \
	  $(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt; \
	  $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation $(addprefix -e ./,$(MEMBERS)); \
	fi
	@touch $@

$(VENV): $(READY)

demo: $(READY) ## The main job, end to end, on real nodes of this machine (KEEP=1 leaves the cluster up)
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m demo $(if $(KEEP),--keep)

test: $(READY) build/checkov/.ready ## All tests, those on a real control plane and real nodes included
	@$(BIN)/python -m devcluster preflight --install --for-tests
	@$(BIN)/python -m tests

test-fast: $(READY) build/checkov/.ready ## The tests that need no cluster, no browser and no Prometheus
	@$(BIN)/python -m pytest -m "not cluster and not browser and not prometheus"

test-kubernetes: $(READY) ## The tests that need a cluster, on another version of Kubernetes (VERSION=1.35.4)
	@export FORETIDE_KUBERNETES=$(or $(VERSION),1.35.4); \
	  $(BIN)/python -m devcluster preflight --install --for-tests && \
	  $(BIN)/python -m pytest -m cluster tests/e2e tests/chart tests/extender tests/planner

lint: $(READY) ## ruff, mypy --strict, import-linter, yaml, shell, Dockerfile and Go linters; warnings are errors
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy $(SOURCES)
	@PYTHONSAFEPATH=1 $(BIN)/lint-imports --no-logo 2>/dev/null || PYTHONSAFEPATH=1 $(BIN)/lint-imports
	@$(BIN)/yamllint --strict .
	@$(BIN)/shellcheck .ci/run devcluster/node-init.sh
	@$(BIN)/hadolint operator/Dockerfile extender/Dockerfile profiler-job/Dockerfile.onnx profiler-job/Dockerfile.torch
	@if command -v go >/dev/null; then \
	  found=$$(gofmt -l devcluster/build bench/zero_extender); [ -z "$$found" ] || { echo "gofmt would change: $$found"; exit 1; }; \
	  for module in devcluster/build/node bench/zero_extender; do (cd $$module; go vet ./...); done; \
	else echo "no go here: devcluster/build and bench/zero_extender are not linted"; fi

bench-extender: $(READY) ## Time and CPU of a request to the extender, and to one in Go that does nothing
	@$(BIN)/python -m bench.extender.latency

bench-scheduler: $(READY) ## Pods a second of kube-scheduler without an extender, with Go's, with Foretide's (RUNS=3)
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m bench.scheduler_rate $(if $(RUNS),--runs $(RUNS))

soak: $(READY) ## The extender for an hour, 50 requests a second while Pods come and go (SECONDS=600: ten minutes)
	@$(BIN)/python -m bench.extender.soak $(if $(SECONDS),--seconds $(SECONDS))

fuzz: $(READY) ## A million mutated bodies for the extender (CASES=N, SEED=N; FIRST=N goes on with a run)
	@$(BIN)/python -m tests.extender.fuzz $(if $(CASES),--cases $(CASES)) $(if $(SEED),--seed $(SEED)) $(if $(FIRST),--first $(FIRST))

chaos: $(READY) ## 200 faults of every kind on a real cluster, tasks all the while; nothing may be lost or left (FAULTS=60 SEED=1)
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m tests.chaos $(if $(FAULTS),--faults $(FAULTS)) $(if $(SEED),--seed $(SEED))

bench-plan: $(READY) ## Time of a turn of the planner: 500 tasks on 1,000 nodes of 20 classes
	@$(BIN)/python -m bench.plan_scale

bench-planner: $(READY) ## What planner, extender and scheduler do while 1,000 gated tasks wait
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m bench.planner_idle

bench-devcluster: $(READY) ## Cycles of up, Jobs, down: nothing may be left (CYCLES=20 LOAD=1: a burst by Foretide, the machine busy)
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m bench.devcluster_cycles $(if $(CYCLES),--cycles $(CYCLES)) $(if $(LOAD),--load --burst 20)

bench-waves: $(READY) ## Waves of tasks on a rack of eight nodes by each scheduler, RUNS times (RUNS=3 ORDER=Arrival: as the planner may order tasks)
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m bench.waves --runs $(or $(RUNS),1) --order $(or $(ORDER),Balanced)

bench-burst: $(READY) ## Three tasks a slot at once on that rack by each scheduler, RUNS times (RUNS=3 ORDER=Arrival)
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m bench.burst --runs $(or $(RUNS),1) --order $(or $(ORDER),Balanced)

bench-operator: $(READY) ## What the operator costs with 1,000 workloads on 10 classes, and how soon it is back after a crash (ARGS="--at-once 1")
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m bench.operator_scale $(ARGS)

bench-first-prediction: $(READY) ## From kubectl apply to the first prediction by the model, and to the first task's node
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m bench.first_prediction

bench-newcomer: $(READY) ## From helm install to all ready, and from the first workload to its first informed placement (RUNS=3)
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m bench.newcomer --runs $(or $(RUNS),3)

bench-services: $(READY) ## Latency of requests to services against what was predicted, by class and load
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m bench.services

bench-profile: $(READY) ## Whether the profiler says the same twice, and the same as torch.utils.benchmark (SECONDS=3 PRECISION=int8)
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m bench.profile_repeat $(if $(SECONDS),--seconds $(SECONDS)) $(if $(PRECISION),--precision $(PRECISION))

measure: $(READY) ## Profile models of every kind on six classes: 3,000 rows in two hours; a second run resumes
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m bench.measure

bench-regressors: $(READY) ## Usual regressors and the model on these profiles, on random and grouped splits (CSV=path: another table)
	@$(BIN)/python -m devcluster preflight --install
	@$(BIN)/python -m bench.regressors $(CSV)

bench-predict: $(READY) ## Errors of the completion-time model, of simpler ones and of its parts (CSV=path: another table)
	@$(BIN)/python -m bench.predict $(CSV)

bench-influence: $(READY) ## What a namespace that reports nonsense does to the predictions of others (SEEDS=10)
	@$(BIN)/python -m bench.influence $(SEEDS)

bench-active: $(READY) ## Errors and regret with 30 % of public pairs measured, chosen by gain and at random (SEEDS=5)
	@$(BIN)/python -m bench.active $(if $(SEEDS),--seeds $(SEEDS))

bench-siblings: $(READY) ## What a measurement tells of other batch sizes and CPU limits, and what others in passing gain (SEEDS=10)
	@$(BIN)/python -m bench.siblings $(if $(SEEDS),--seeds $(SEEDS))

bench-memory: $(READY) ## Memory predicted for pairs held out, against measured peaks: killed, and over-estimate (CSV=path)
	@$(BIN)/python -m bench.memory $(CSV)

bench-placement: $(READY) ## Policies side by side in simulation, on three fleets under three loads
	@$(BIN)/python -m bench.placement

bench-orders: $(READY) ## Order policies of the plan, each at what it is for, in simulation
	@$(BIN)/python -m bench.orders

bench-scale: $(READY) ## 10,000 nodes and 200,000 tasks in simulation, by the default scheduler and by the plan
	@$(BIN)/python -m bench.scale

charts: $(READY) ## Copy crds/ into the chart; make its values' schema and docs/reference/values.md of values.yaml
	@$(BIN)/python charts/sync-crds.py
	@$(BIN)/python charts/describe-values.py

# Programs that only these targets need, in environments of their own: what they pin would bind the rest.
build/%/.ready: requirements/%.txt $(READY)
	@echo "==> Python environment in $(@D)"
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --allow-existing --python $(BIN)/python $(@D); \
	  uv pip install --quiet --python $(@D)/bin/python --require-hashes -r $<; \
	else \
	  $(BIN)/python -m venv $(@D); \
	  $(@D)/bin/python -m pip install --quiet --require-hashes -r $<; \
	fi
	@touch $@

release: build/release/.ready ## Sdists, wheels, the packaged chart, bills of materials and checksums, into dist/ (docs/release.md)
	@$(BIN)/python -m release --cyclonedx build/release/bin/cyclonedx-py

monitoring: $(READY) ## Write the chart's dashboard
	@$(BIN)/python -m monitoring

references: $(READY) ## Write docs/reference of kinds, command line, settings and metrics, as they are in the code
	@$(BIN)/python -m reference

requirements: ## Pin requirements/*.in again (needs uv)
	@command -v uv >/dev/null || { echo "uv is missing: https://docs.astral.sh/uv/"; exit 1; }
	@for name in operator extender profiler-onnx profiler-torch dev release checkov; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    requirements/$$name.in -o requirements/$$name.txt; done

clean: ## Stop every devcluster and delete what was built in the tree (the cache stays: clean-cache)
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m devcluster down --all; fi
	@rm -rf $(VENV) bench/results build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-cache: ## Stop every devcluster and delete the binaries and images built for them
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m devcluster down --all; fi
	@rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/foretide"
