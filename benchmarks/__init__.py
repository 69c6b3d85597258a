"""Timing side by side with other libraries and with the limits of the machine.

Run it with ``python -m benchmarks``.
"""
