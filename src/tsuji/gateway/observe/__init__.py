"""What operators see: counters, an access log, traces.

Owns what is made of a request once it has ended: metrics, summed over all workers through snapshots in a folder that
they share; lines of the access log; what the telemetry process makes spans of. All of it comes from the request's
Record and a few facts beside it. It refuses to know prompts, answers and keys, to hold an answer back, and to do work
between a request and its answer that can be done after it.
"""
