#!/bin/sh
# install.sh PYTHON FOLDER: makes the environment of the peers, or brings it up to its lock; the tests in this folder and
# the benchmarks run in it. Exits with 69 where the package index cannot be reached.
set -e
lock=tests/peers/requirements.lock
[ "$2/.ready" -nt "$lock" ] && exit 0
test -x "$2/bin/python" || "$1" -m venv "$2"
echo "Installing into $2 (once; about a minute) ..."
"$2/bin/python" scripts/install.py "$lock"
"$2/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --editable .
touch "$2/.ready"
