"""`make bench`: what the main jobs cost, as ratios against a named baseline measured in the same run.

Nothing here is a test: figures depend on the machine, ratios less so. Results land in `benchmarks/results/`.
"""
