"""Times of jarvis, beside those of other libraries and the limits of the machine.

Run it with ``python -m benchmarks``.
"""
