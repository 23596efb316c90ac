PYTHON ?= python3
PORT ?= 8000
VENV := .venv
NODE := tests/service/node

.PHONY: serve test lint audit fuzz

serve: $(VENV)/installed
	$(VENV)/bin/dragoman serve --port $(PORT)

# Without compiled files each process would compile all tests anew.
test: $(VENV)/installed-dev $(NODE)/node_modules/installed
	PYTHONDONTWRITEBYTECODE= $(VENV)/bin/pytest --numprocesses auto --dist loadgroup

lint: $(VENV)/installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Known vulnerabilities of what is installed; 1 if there are any, 2 if the list of them cannot be asked.
audit: $(VENV)/installed-dev
	./.ci/audit

# Thousands of generated requests against the API's own description, on a service of its own.
fuzz: $(VENV)/installed-dev
	$(VENV)/bin/pip install --quiet 'schemathesis>=4'
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-300} ./tests/fuzz.sh

# A client in JavaScript, whose test is skipped where it is not to be had.
$(NODE)/node_modules/installed: $(NODE)/package.json
	@if ! command -v npm > /dev/null; then echo "There is no npm, so clients in JavaScript are not tested."; \
	elif npm install --prefix $(NODE) --no-package-lock --ignore-scripts --no-audit --no-fund --silent; then touch $@; \
	else echo "npm cannot install what $(NODE)/package.json names, so clients in JavaScript are not tested."; fi

$(VENV)/installed: pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --editable '.[train]'
	touch $@

$(VENV)/installed-dev: pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --editable '.[dev]'
	touch $(VENV)/installed $@
