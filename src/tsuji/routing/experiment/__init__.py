"""Experiments: which arm a request is in, and what may be said of the arms on any day.

Owns the description of an experiment, assignment, and the statistics: always-valid intervals and p-values, the check of
the shares, guardrails, bandit shares, planning and the report. It refuses to draw, to read a clock and to fetch data:
numbers go in, numbers come out. It also refuses statistics that hold for one look only: whatever it says may be looked
at every minute, and acted on.
"""

from .assign import Assignment, assign, enrolled, unit_hash
from .design import ERROR, JUDGE, METRICS, Arm, Bandit, Experiment, FeedbackScale, Guardrail, Judge, State

__all__ = [
    "ERROR",
    "JUDGE",
    "METRICS",
    "Arm",
    "Assignment",
    "Bandit",
    "Experiment",
    "FeedbackScale",
    "Guardrail",
    "Judge",
    "State",
    "assign",
    "enrolled",
    "unit_hash",
]
