"""Corpora for training and evaluation, as lhotse manifests with fixed splits."""
