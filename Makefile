# Every target sets up what it needs; see docs/contributing.md.

PORT ?= 6543
SP_PORT ?= 6544
VAR ?= var
export PORT SP_PORT VAR

# Words for pytest, for a part of the suite (no coverage then): make test ARGS="tests/unit -k audit"
ARGS ?=

.PHONY: run test guide bench bench-directory fuzz lint audit lock

## The portal, its worker and the four demonstration service providers, in the foreground.
run:
	@exec bash deploy/setup.sh runtime -- .venv/bin/convergences run

## The whole suite, with a real browser, SQLite and PostgreSQL.
test:
	@exec bash deploy/setup.sh test -- .venv/bin/python -m pytest -n 3 $(or $(ARGS),--cov)

## Follow both guides in a browser; the pictures of the guide pages are left in $VAR/guide.
guide:
	@exec env GUIDE_PICTURES="$(abspath $(VAR))/guide" bash deploy/setup.sh test -- \
		.venv/bin/python -m pytest -q tests/browser/test_guides.py

## The measurements of the product, beside stock pysaml2.
bench:
	@exec bash deploy/setup.sh bench -- .venv/bin/python -m tests.bench

## Lists, searches and exports in directories of 5,000 and 500,000 people; takes some minutes.
bench-directory:
	@exec bash deploy/setup.sh bench-directory -- .venv/bin/python -m tests.bench.directory

## 100,000 hostile inputs, guided by coverage (FUZZ_N=…); what fails is left in $VAR/fuzz.
fuzz:
	@exec bash deploy/setup.sh development -- .venv/bin/python -m tests.fuzz

## Style, types, arrows.
lint:
	@exec bash deploy/setup.sh development -- bash deploy/lint.sh

## Known vulnerabilities of the locked packages (asks the package index).
audit:
	@exec bash deploy/setup.sh development -- \
		.venv/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/development.txt

## Write both lock files anew from pyproject.toml; wants uv.
lock:
	@exec bash deploy/lock.sh
