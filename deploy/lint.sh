#!/usr/bin/env bash
# Every check of the code that runs nothing of it; all are run, one failure fails.
set -uo pipefail
cd "$(dirname "$0")/.."

status=0
check() {
    printf '%s\n' "$*"
    ".venv/bin/$1" "${@:2}" || status=1
}

check ruff check .
check ruff format --check .
check mypy
check lint-imports
exit "$status"
