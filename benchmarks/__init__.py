"""Side-by-side timing against peers and against the machine's own limit: python -m benchmarks."""
