"""Word error rates of any recognizer in float, quantized, and on chips; every batch is kept.

    settings --opening--> recognizers, corpus --run--> batches --results--> rows, summary, JSON

- ``settings``: what to evaluate; ``opening``: recognizers by name, and the corpus; ``words``: how CTC models find
  words.
- ``run``: executions one after the other, each resumed where it was cut off; ``building``: their networks.
- ``batches``, ``measurement``: a batch through one execution; ``records``: finished batches as
  ``memrix.asr.journal`` keeps them; ``costs``: energy, latency and area of an utterance.
- ``results``: rows and their summary over chips; ``report``: the table; ``errors``: word by word;
  ``reporting``: who is told about progress.
"""
