#!/bin/sh
# install.sh PYTHON FOLDER: makes the environment of the other gateways, or brings it up to its locks. Never fails: what
# could not be had is left out of the benchmark, which says so.
lock=benchmarks/gateways.lock
portkey=@portkey-ai/gateway@1.15.2
if ! [ "$2/.ready" -nt "$lock" ]; then
    test -x "$2/bin/python" || "$1" -m venv "$2"
    echo "Installing into $2 (once; about two minutes) ..."
    "$2/bin/python" scripts/install.py "$lock" && touch "$2/.ready"
fi
if command -v npm >/dev/null 2>&1 && ! [ -d "$2/npm/node_modules/@portkey-ai" ]; then
    mkdir -p "$2/npm"
    npm install --silent --no-audit --no-fund --prefix "$2/npm" "$portkey"
fi
exit 0
