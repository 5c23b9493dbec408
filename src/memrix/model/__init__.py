"""Whole models: which layers they have, what a copy reaches, what a run of them shows."""
