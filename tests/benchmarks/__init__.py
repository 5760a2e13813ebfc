"""What the package costs, beside its peers, in one interleaved run: `python -m tests.benchmarks`."""
