#!/bin/sh
# Compile the hashed requirement files; names no index and no host. What runs is what was tested: the base set
# takes its versions from the development set.
set -eu
cd "$(dirname "$0")/.."
compile() {
    out=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --custom-compile-command "make lock" \
        "$@" pyproject.toml --output-file "requirements/$out.txt"
}
compile dev --extra dev --extra studio
compile base --constraint requirements/dev.txt
