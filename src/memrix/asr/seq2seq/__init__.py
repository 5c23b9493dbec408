"""Sequence-to-sequence models of ``transformers``, such as Whisper, as speech models.

    audio --features--> encoder --> decoder <--> tokens so far        text <--tokenizer-- tokens

- ``pretrained``: network, tokenizer and features (``parts``) of a model, loaded without running code of others, and a
  speech model of them.
- ``model``: the speech model: loss on a text, greedy transcripts, what stays digital and what training freezes.
- ``decoding``: greedy transcripts.
- ``files``: what its recognizer files say.
"""
