"""Speech recognition on memristor chips: corpora, features, pretrained recognizers and scoring.

Needs the extra ``memrix[asr]``. Nothing heavy is imported here; import the modules themselves.
"""
