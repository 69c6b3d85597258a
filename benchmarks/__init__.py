"""Running times of jarvis, compared with other libraries and the limits of the machine.

Run it with ``python -m benchmarks``.
"""
