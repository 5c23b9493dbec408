"""The experiment of arXiv 2505.24721: training in float and with low-bit weights, and the evaluation of all of it.

- ``settings``: what to train, and what to evaluate; ``run``: trainings one after the other, then ``asr.evaluation``.
"""
