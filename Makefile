# Two commands: `make baseline` measures the bundled pipeline, `make test` checks the project.
# Both create .venv and install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: baseline test guard install lint format clean

baseline: install
	$(BIN)/python -m pipeline.data.receipts
	$(BIN)/ocrprof baseline

test: lint
	$(BIN)/python -m pytest -q

# What a mistyped key costs must not grow: no PyTorch on the way, no package that the list does not hold.
guard: install
	$(BIN)/ocrprof check --exact --probe error --forbid-import torch --forbid-import lightning \
		--baseline .ci/config_error.json --deps-under-test --metrics eager_packages -o $$(mktemp -d)/report

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
