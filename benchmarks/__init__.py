"""What Tsuji costs, beside the alternatives, in one run on one machine: `make bench`.

Owns the measurements behind the figures of the README. It refuses to judge: it prints medians and ratios, the machine,
the versions and the commands, and never fails on a slow day.
"""
