# Two commands do all the set-up: `make run` opens the shipped demo session, `make test` runs all tests.
# On a bare machine they need Python 3.11 to 3.13 (with venv), git and make.

FIND_PYTHON = for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { echo $$python; exit; }; done

.PHONY: run test faults lint format keys pictures bench clean

run: .venv/ready-to-run
	@.venv/bin/cmbagent-tui demo

test: .venv/ready-to-test
	.venv/bin/python -m pytest -n 4 --dist loadfile

faults: .venv/ready-to-test
	FAULT_REPEATS=$${FAULT_REPEATS:-200} .venv/bin/python -m pytest -n 2 tests/faults tests/engine/test_machine.py

lint: .venv/ready-to-test
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/pyright --pythonpath .venv/bin/python
	.venv/bin/lint-imports

format: .venv/ready-to-test
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

keys: .venv/ready-to-test
	.venv/bin/python -m cmbagent_tui.keymap.sheet README.md

pictures: .venv/ready-to-test
	.venv/bin/python -m tests.pictures docs/pictures

bench: .venv/ready-to-test
	@for one in tests/benchmarks/*.py; do .venv/bin/python $$one || exit; done

clean:
	rm -rf .venv

.venv/bin/python:
	@python=$$($(FIND_PYTHON)); \
	test -n "$$python" || { echo "Python 3.11, 3.12 or 3.13 with the venv module is needed (Debian: apt install python3-venv)."; exit 1; }; \
	echo "Building .venv with $$python …" >&2; $$python -m venv .venv

.venv/ready-to-run: .venv/bin/python pyproject.toml
	@echo "Installing what the program needs; the first time this takes a minute …" >&2
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[science]' >&2
	@touch $@

.venv/ready-to-test: .venv/ready-to-run
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[science,dev]' >&2
	@touch $@
