"""Measurements of speed, each against something run beside it: `python -m benchmarks`."""
