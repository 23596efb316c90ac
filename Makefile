PYTHON ?= python3
PORT ?= 8000
VENV := .venv
NODE := tests/service/node

.PHONY: serve test test-browser browser lint audit fuzz

serve: $(VENV)/installed
	$(VENV)/bin/dragoman serve --port $(PORT)

# Without compiled files each process would compile all tests anew. Of worksteal's processes each takes a stretch of the
# tests at first, so that most of what they share is made by one.
test: $(VENV)/installed-dev $(NODE)/node_modules/installed
	PYTHONDONTWRITEBYTECODE= $(VENV)/bin/pytest --numprocesses auto --dist worksteal

# The page in a real browser; make test runs these too, once a browser and what drives it are there.
test-browser: browser
	$(VENV)/bin/pytest tests/browser

browser: $(VENV)/installed-browser
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
	  if command -v $$name > /dev/null; then exit 0; fi; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium fonts-noto-cjk > /dev/null; \
	else echo "There is no browser, and only root could install one: put Chromium or Chrome on the PATH."; exit 1; fi

$(VENV)/installed-browser: $(VENV)/installed-dev
	$(VENV)/bin/pip install --quiet --editable '.[browser]'
	touch $@

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
