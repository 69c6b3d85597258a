"""Shared by all neurons: running a step over time, and exponential decay."""

from jarvis.neurons.decay import constant_drive, exp_decay
from jarvis.neurons.layers import over_time

__all__ = ["constant_drive", "exp_decay", "over_time"]
