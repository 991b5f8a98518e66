#!/bin/sh
# install.sh PYTHON FOLDER: makes the environment of the other gateways, or brings it up to its locks. Never fails: what
# could not be had is left out of the benchmark, which says so. CARGO=: leaves out what cargo builds, which takes minutes.
lock=benchmarks/gateways.lock
portkey=1.15.2
crates="crabllm@0.0.25 llmg-gateway@0.4.0"
if ! [ "$2/.ready" -nt "$lock" ]; then
    test -x "$2/bin/python" || "$1" -m venv "$2"
    echo "Installing into $2 (once; about two minutes) ..."
    "$2/bin/python" scripts/install.py "$lock" && touch "$2/.ready"
fi
if command -v npm >/dev/null 2>&1 && ! grep -qs "\"version\": \"$portkey\"" "$2/npm/node_modules/@portkey-ai/gateway/package.json"; then
    mkdir -p "$2/npm"
    npm install --silent --no-audit --no-fund --prefix "$2/npm" "@portkey-ai/gateway@$portkey"
fi
for crate in $crates; do
    command -v "${CARGO-cargo}" >/dev/null 2>&1 || break
    grep -qs "\"${crate%@*} ${crate#*@} " "$2/cargo/.crates.toml" && continue
    echo "Building $crate (once; some minutes) ..."
    "${CARGO-cargo}" install --quiet --locked --root "$2/cargo" --target-dir "$2/cargo/build" "$crate"
done
rm -rf "$2/cargo/build"
exit 0
