"""The gateway beside what people choose instead, in one run on one machine: `make bench-gateway`.

Owns the figures of docs/benchmarks.md. One worker of each system on core 0; the load generator, which this process is,
and the upstream on core 1. It refuses to count a system of which a request failed, and to judge.
"""
