"""Sequence-to-sequence models of ``transformers``, such as Whisper, as speech models.

    audio --features--> encoder --> decoder <--> tokens so far        text <--tokenizer-- tokens

- ``settings``: which model: a name, a folder, or one of the Hugging Face hub.
- ``loading``: its network, tokenizer and features (``parts``), loaded without running code of others; ``pretrained``:
  a speech model of them.
- ``model``: the speech model: loss on a text, greedy transcripts, what stays digital and what training freezes.
- ``decoding``: greedy transcripts.
- ``files``: what its recognizer files say.
"""
