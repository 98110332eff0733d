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

COVER := $(BIN)/python -m coverage
# Left out: tests that take long as plain Python and reach nothing more than the small streams do.
AVC_RUN := NUMBA_DISABLE_JIT=1 $(COVER) run --rcfile=conformance/avc/coverage.toml
coverage-avc: $(DEV) ## lines and branches of refcodec/avc that streams and tests reach, kernels as plain Python
	rm -rf out/coverage && mkdir -p out/coverage
	$(AVC_RUN) -m conformance.avc.reach --mutants 60
	$(AVC_RUN) -m pytest -q -p no:cacheprovider --hypothesis-seed=0 \
	  --deselect tests/property/test_avc_conformance.py --deselect tests/property/test_avc_mutation.py \
	  --deselect tests/property/test_avc_threads.py \
	  -k 'not damaged_slices and not plain_python and not streams_parse and not streams_reach' \
	  tests/unit/test_avc_*.py tests/unit/test_injection.py tests/unit/test_plain_avc.py \
	  tests/property/test_avc_*.py tests/property/test_syntax_nal.py
	$(COVER) combine -q --rcfile=conformance/avc/coverage.toml
	$(COVER) report --rcfile=conformance/avc/coverage.toml

clean: ## remove what was built, keep .venv
	rm -rf build dist out .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks *.egg-info
	find . -path ./.venv -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

distclean: clean ## remove .venv too
	rm -rf .venv
