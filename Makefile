# Everything runs in .venv in this folder, which the first target that needs it creates.
PYTHON ?= python3
INPUT ?=
BITRATE ?= 200k
OUT ?= out/demo
JOBS ?= 2

BIN := .venv/bin
USE := .venv/.installed
DEV := .venv/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format types spec docs bench coverage-avc clean distclean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "HybridPrompt needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(USE): pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(DEV): pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev,trainer]'
	@touch $@ $(USE)

demo: $(USE) ## encode a clip at 200 kbit/s, compare it, write an HTML report (INPUT=film.mp4 for yours)
	@$(BIN)/python -m demo.run --out '$(OUT)' --bitrate '$(BITRATE)' $(if $(INPUT),--input '$(INPUT)')

test: $(DEV) ## lint, format, types and the test suite; fails if any of them does
	@status=0; \
	$(BIN)/ruff check . || status=1; \
	$(BIN)/ruff format --check . || status=1; \
	$(BIN)/mypy || status=1; \
	$(BIN)/python -m pytest -q -n $(JOBS) || status=1; \
	exit $$status

test-all: $(DEV) ## the test suite with the slow tests
	$(BIN)/python -m pytest -q -n $(JOBS) -m 'slow or not slow'

lint: $(DEV) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(DEV) ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEV) ## mypy
	$(BIN)/mypy

spec: $(USE) ## lint and build the specification document
	$(BIN)/hyp spec lint
	$(BIN)/hyp spec build

docs: $(USE) ## write docs/reference from the program and its docstrings
	$(BIN)/python -m docs.generate

bench: $(DEV) ## benchmarks
	$(BIN)/python -m pytest benchmarks -q -m 'slow or not slow'

COVER := $(BIN)/python -m coverage run --branch --source=refcodec/avc
coverage-avc: $(DEV) ## lines and branches of refcodec/avc that streams and tests reach, kernels as plain Python
	rm -rf out/coverage && mkdir -p out/coverage
	NUMBA_DISABLE_JIT=1 $(COVER) --data-file=out/coverage/streams -m conformance.avc.reach
	NUMBA_DISABLE_JIT=1 $(COVER) --data-file=out/coverage/tests -m pytest -q -p no:cacheprovider \
	  --deselect tests/property/test_avc_conformance.py --deselect tests/property/test_avc_mutation.py \
	  tests/unit/test_avc_*.py tests/unit/test_injection.py tests/property/test_avc_*.py
	NUMBA_CACHE_DIR=out/coverage/numba $(COVER) --data-file=out/coverage/compiled -m conformance.avc.reach
	$(BIN)/python -m coverage combine -q --data-file=out/coverage/all out/coverage/streams out/coverage/tests out/coverage/compiled
	$(BIN)/python -m coverage report --data-file=out/coverage/all --show-missing --skip-covered

clean: ## remove what was built, keep .venv
	rm -rf build dist out .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks *.egg-info
	find . -path ./.venv -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

distclean: clean ## remove .venv too
	rm -rf .venv
