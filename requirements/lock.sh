#!/bin/sh
# Compile the hashed requirement files; names no index and no host.
set -eu
cd "$(dirname "$0")/.."
compile() {
    out=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --custom-compile-command "make lock" --constraint requirements/constraints.txt \
        "$@" pyproject.toml --output-file "requirements/$out.txt"
}
compile base
compile dev --extra dev --extra studio
