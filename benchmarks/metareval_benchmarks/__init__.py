"""Benchmarks that yield forget, retain and test splits; the statistics do not need them."""
