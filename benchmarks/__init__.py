"""Side-by-side timing against peers and the limits of the machine: python -m benchmarks."""
