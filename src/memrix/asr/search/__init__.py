"""Search for CTC models: best path, beam search over a lexicon and a language model, tuning of its scales.

Nothing heavy is imported here; import the modules themselves.
"""
