#!/usr/bin/env bash
# Prepares target/tools: the clients, the trace receiver, and the readers of the OpenAPI document that the tests use and
# nobody here wrote. Does nothing when they are there. Needs python3-venv, nodejs and npm (tests/run installs them).
set -euo pipefail
cd "$(dirname "$0")/.."
tools=target/tools

# Every version is pinned, those that come along too: a test that fails tells of this service, not of a new release.
# Only ruff is left out: openapi-python-client would format with it what only programs read here.
python_packages=(
    annotated-doc==0.0.7
    annotated-types==0.8.0
    anyio==4.16.0
    attrs==26.1.0
    certifi==2026.10.18
    charset-normalizer==3.5.2
    click==8.5.1
    googleapis-common-protos==1.76.0
    graphql-core==3.3.2
    grpcio-reflection==1.85.1
    grpcio==1.85.1
    h11==0.16.0
    harfile==0.6.0
    httpcore==1.0.9
    httpx==0.28.1
    hypothesis-graphql==0.13.5
    hypothesis==6.170.15
    idna==3.20
    iniconfig==2.3.1
    Jinja2==3.1.6
    jsonschema-path==0.5.0
    jsonschema-specifications==2025.9.1
    jsonschema==4.26.0
    jsonschema_rs==0.60.3
    lazy-object-proxy==1.13.0
    markdown-it-py==4.3.0
    MarkupSafe==3.0.4
    mdurl==0.1.2
    openapi-python-client==0.29.1
    openapi-schema-validator==0.9.0
    openapi-spec-validator==0.9.0
    packaging==26.3
    pathable==0.6.0
    pluggy==1.7.0
    protobuf==7.36.2
    pydantic-settings==2.16.3
    pydantic==2.14.3
    pydantic_core==2.50.4
    Pygments==2.21.0
    pyrate-limiter==4.5.1
    pytest==9.2.0
    python-dotenv==1.2.4
    PyYAML==6.0.3
    referencing==0.37.0
    requests==2.34.2
    rfc3339-validator==0.1.4
    rich==15.0.0
    rotel==0.0.1a15
    rpds-py==2026.9.1
    ruamel.yaml==0.19.1
    schemathesis==4.32.5
    shellingham==1.5.4
    six==1.17.0
    sortedcontainers==2.4.0
    typer==0.27.3
    typing-inspection==0.4.5
    typing_extensions==4.16.0
    urllib3==2.8.0
    Werkzeug==3.1.9
)

# npm's are in tests/clients: the lock names those that come along.
stamp="${python_packages[*]} $(cat tests/clients/package-lock.json)"
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
cp tests/clients/package.json tests/clients/package-lock.json "$tools"
# `npm ci` would demand buf for every other system too. No scripts: one of them would report to its makers.
npm install --prefix "$tools" --ignore-scripts --no-audit --no-fund --loglevel error

# Last, so that what was interrupted is done again.
printf '%s\n' "$stamp" >"$tools/stamp"
