"""Decoding of CTC models: greedy, or beam search over a lexicon with a language model, and tuning of its scales.

Nothing heavy is imported here; import the modules themselves.
"""
