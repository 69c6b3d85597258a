"""Compiled loops: numba on the CPU, Triton on CUDA.

The time loops of neurons are generated from their steps (`expression`, `plan`, `emit`, `program`)
and run by `time_loop`; event-driven loops, first spikes and convolutions are written by hand. No
neuron is imported here, and nothing is compiled before the first layer runs.
"""
