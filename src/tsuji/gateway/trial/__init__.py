"""Experiments on requests: assignment, feedback, mirrored requests and judges.

Owns what a request on a route with an experiment has beyond others, and POST /v1/feedback. It refuses to be waited for:
what it asks, it asks beside or after the client's answer, a few at a time, and what goes wrong there is nobody else's
trouble. It refuses statistics, which are `routing.experiment`'s, and keeps no text: a judge reads in flight.
"""
