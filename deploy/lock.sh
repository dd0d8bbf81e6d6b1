#!/usr/bin/env bash
# Writes both lock files anew: hashes, no index address, the same versions in both.
# Words are passed on, such as `--upgrade-package lxml`.
set -euo pipefail
cd "$(dirname "$0")/.."

PATH=$PATH:$PWD/.venv/bin
command -v uv >/dev/null || { echo "lock: uv is needed" >&2; exit 1; }

compile() {
    uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-header --only-binary :all: "$@"
}

compile "$@" --output-file requirements/runtime.txt
compile "$@" --extra development --constraint requirements/runtime.txt \
    --output-file requirements/development.txt
