"""Compiled time loops: numba on the CPU, Triton on CUDA.

They repeat the mathematics of `jarvis.lif.lif_update` and are tested against it. Nothing here is
imported, and nothing compiled, before the first layer runs.
"""
