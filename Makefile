PYTHON ?= python3
PORT ?= 8000
VENV := .venv

.PHONY: serve test lint fuzz

serve: $(VENV)/installed
	$(VENV)/bin/dragoman serve --port $(PORT)

# Without compiled files each process would compile all tests anew.
test: $(VENV)/installed-dev
	PYTHONDONTWRITEBYTECODE= $(VENV)/bin/pytest --numprocesses auto --dist loadgroup

lint: $(VENV)/installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Thousands of generated requests against the API's own description, on a service of its own.
fuzz: $(VENV)/installed-dev
	$(VENV)/bin/pip install --quiet 'schemathesis>=4'
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-300} ./tests/fuzz.sh

$(VENV)/installed: pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --editable '.[train]'
	touch $@

$(VENV)/installed-dev: pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --editable '.[dev]'
	touch $(VENV)/installed $@
