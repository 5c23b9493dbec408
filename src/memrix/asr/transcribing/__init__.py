"""Recordings of any length as text: by a recognizer in float, with low-bit weights, or on a chip.

    files --audio.audio_pieces--> windows of 30 s, cut where it is quiet --transcriber--> transcripts --documents-->
                                                                                          text, JSON, .trn, .ctm

- ``windows``: a recording as windows, read piece by piece.
- ``transcriber``: a recognizer, and the same on a chip; transcripts of files, whose windows share batches.
- ``transcripts``: what is said where.
- ``settings``, ``run``: what `memrix transcribe` does: a recognizer as it is, and beside it on a chip.
- ``documents``: transcripts as text, JSON, and the formats of NIST's scoring tools.
"""
