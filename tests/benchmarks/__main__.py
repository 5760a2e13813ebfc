"""`python -m tests.benchmarks`: the client's; the others are modules of their own, `tests.benchmarks.bench_…`."""

from tests.benchmarks.bench_client import main

main()
