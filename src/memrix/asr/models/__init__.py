"""Acoustic models: from features and their lengths to the logits of CTC labels and theirs."""
