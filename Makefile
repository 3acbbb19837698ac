# make demo [SEED=7], make test, make test-long, make lint, make docs, make audit. Each makes .venv when it is missing or pyproject.toml has changed.

SEED ?= 0
WORKERS ?= 2
# The first Python that fits; PYTHON=... names another.
PYTHON ?= $(shell for python in python3.12 python3.11 python3.13 python3 python; do \
	$$python -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)
# cpu or gpu: which build of FAISS. EXTRAS=gpu where there is a GPU.
EXTRAS ?= cpu
BIN = .venv/bin
INSTALLED = .venv/installed

.PHONY: demo test test-long lint docs audit

demo: $(INSTALLED)
	$(BIN)/python -m wavu.demo seed=$(SEED)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow and not gpu"

test-long: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) -m "slow and not gpu"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy wavu

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Known holes of what is installed; says so and ends well where pip-audit or the network is missing.
audit: $(INSTALLED)
	@if ! $(BIN)/python -c 'import pip_audit' 2>/dev/null; then echo "pip-audit is not installed; pip install 'wavu[dev]'"; \
	elif ! $(BIN)/python -c 'import urllib.request as r; r.urlopen("https://pypi.org/simple/pip-audit/", timeout=10)' 2>/dev/null; then echo "pypi.org cannot be reached; nothing was looked up"; \
	else $(BIN)/python -m pip_audit --local --skip-editable --progress-spinner off; fi

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python 3.11 to 3.13 with venv found; give one as PYTHON=/path/to/python3.12 (Debian: apt install python3-venv)"; exit 1; }
	@echo "installing into .venv: a few minutes, the first time and whenever pyproject.toml changes"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS),dev,docs]'
	touch $@
