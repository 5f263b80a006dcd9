#!/usr/bin/env bash
# Prepares target/tools: the clients and the trace receiver that the tests use and nobody here wrote. Does nothing when
# they are there. Needs python3-venv, nodejs and npm (tests/run installs them).
set -euo pipefail
cd "$(dirname "$0")/.."
tools=target/tools

# Every version is pinned, those that come along too: a test that fails tells of this service, not of a new release.
python_packages=(
    googleapis-common-protos==1.76.0
    grpcio==1.85.1
    grpcio-reflection==1.85.1
    protobuf==7.36.2
    rotel==0.0.1a15
    typing_extensions==4.16.0
)
npm_packages=(@bufbuild/buf@1.75.0)

stamp="${python_packages[*]} ${npm_packages[*]}"
if [ -x "$tools/venv/bin/python" ] && [ -x "$tools/node_modules/.bin/buf" ] &&
    [ "$(cat "$tools/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

mkdir -p "$tools"
rm -f "$tools/stamp"
python3 -m venv --clear "$tools/venv"
# Wheels only: a build from source takes minutes and a compiler.
"$tools/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
    --only-binary :all: "${python_packages[@]}"
npm install --prefix "$tools" --no-audit --no-fund --loglevel error "${npm_packages[@]}"

# Last, so that what was interrupted is done again.
printf '%s\n' "$stamp" >"$tools/stamp"
