"""Compiled time loops: numba on the CPU, Triton on CUDA.

They implement the equations of `jarvis.lif.lif_update` and are tested against it. Nothing here is
imported or compiled before the first layer runs.
"""
