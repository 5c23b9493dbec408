"""Word error rates of a model as it is, or trained: in float, quantized, and on chips; every batch is kept.

- ``settings``: what to evaluate; ``run``: executions one after the other, each resumed where it was cut off.
- ``measurement``: a batch through one execution; ``journal``: finished batches on disk.
- ``results``: rows, means of chips, JSON; ``reporting``: who is told about progress.
"""
