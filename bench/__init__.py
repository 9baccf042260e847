"""Benchmarks, each beside its peer in one run. ``python -m bench`` measures and writes docs/benchmarks.md."""
