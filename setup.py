"""Builds the package. With TSUJI_COMPILE=1 mypyc compiles the request path, from the same files; see docs/design.md.

mypyc keeps no annotations: a msgspec Struct that something is decoded into must not be in a file named here. A slice of
bytes that ends before it begins is a SystemError in a compiled file.
"""

import os

from setuptools import setup

REQUEST_PATH = [
    "src/tsuji/catalog/prices.py",
    "src/tsuji/gateway/account.py",
    "src/tsuji/gateway/admit.py",
    "src/tsuji/gateway/again.py",
    "src/tsuji/gateway/ceiling.py",
    "src/tsuji/gateway/count.py",
    "src/tsuji/gateway/destination.py",
    "src/tsuji/gateway/driver.py",
    "src/tsuji/gateway/endpoints.py",
    "src/tsuji/gateway/gateway.py",
    "src/tsuji/gateway/observe/counters.py",
    "src/tsuji/gateway/observe/observer.py",
    "src/tsuji/gateway/recording.py",
    "src/tsuji/gateway/refusal.py",
    "src/tsuji/gateway/relay.py",
    "src/tsuji/gateway/reply.py",
    "src/tsuji/gateway/request.py",
    "src/tsuji/gateway/reservation.py",
    "src/tsuji/gateway/server.py",
    "src/tsuji/gateway/sink.py",
    "src/tsuji/gateway/spending.py",
    "src/tsuji/gateway/translate.py",
    "src/tsuji/http/aio.py",
    "src/tsuji/http/aio_exchange.py",
    "src/tsuji/http/aio_lanes.py",
    "src/tsuji/http/message.py",
    "src/tsuji/http/parser.py",
    "src/tsuji/http/route.py",
    "src/tsuji/ledger/spool.py",
    "src/tsuji/routing/health.py",
    "src/tsuji/routing/machine.py",
    "src/tsuji/routing/sketch.py",
    "src/tsuji/wire/openai/passing.py",
    "src/tsuji/wire/passthrough.py",
    "src/tsuji/wire/sse.py",
]

extensions = []
if os.environ.get("TSUJI_COMPILE"):
    from mypyc.build import mypycify

    options = ["--follow-imports=silent", "--ignore-missing-imports", "--explicit-package-bases"]
    os.environ["MYPYPATH"] = "src"
    extensions = mypycify([*options, *REQUEST_PATH], opt_level="3", debug_level="0")

setup(ext_modules=extensions)
