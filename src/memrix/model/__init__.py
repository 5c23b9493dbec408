"""The verbs on whole models: select, calibrate, quantize, check, program, write, measure, and back to digital.

A verb knows nothing of a layer type and nothing of cells. It asks the registry of ``memrix.nn`` how a layer is
mapped, and lets the layer do it::

    model ──> inventory ──────> selection ─────────> a verb ──────────────> model or chip
              candidates:       plan: the layers     calibrate  ranges and samples on the layers
              layers with a     that are meant,      quantize   fake-quantized layers, in place
              weight matrix,    on which hardware,   program    a copy on crossbars
              with a handler    why others are       write      changed weights to the same cells
              or an obstacle    skipped              to_digital torch layers with the cells' weights
                  ^                  ^
              held_weights,      patterns
              code_reads

A model goes through them in this order. Each leaves it as it was if anything fails::

    check(model, hardware) ────> Check         problems, notes, plan      checking, check_notes, check_result
    calibrate(model, batches) ─> Calibration   ranges, histograms         calibration, observation, calibration_result
    quantize(model, hardware)                  in place                   conversion
    compensate(model, batches)                 in place, better integers  compensation
    learned_steps(model) ──────> parameters    for an optimizer           learned_steps
    program(model, hardware) ──> chip          a copy                     conversion, copying
    summary(chip, batches) ────> Summary       cells, tiles, SQNR         summaries, sqnr, chip_summary
    costs(chip, batches) ──────> Costs         energy, latency            costs, cost_counters, matrix_products
    write(chip) ───────────────> names         changed layers             writing
    age(chip, seconds=...) ────> chip          a copy, later              aging
    recalibrate(chip, batches) > chip          a copy, fitted again       aging
    to_digital(chip) ──────────> model         a copy                     reversion

What keeps a chip from being less than it looks

- ``references``, ``contents``: functions and methods in a model that would go on running the original, found
  before it is copied. ``witness`` and ``originals`` watch the first calls of a chip for those that nothing can find
  beforehand.
- ``watching``: a weight that is read outside of its layer's calls, found while batches run. Such a layer stays
  digital, and so does one that no batch reaches (``unreached``). The reason stays on the layer
  (``inventory.rule``).
- ``readiness``, ``feasibility``: what a layer still lacks, and what hardware cannot do with it.

What all verbs share

- ``batches`` runs a model over batches, and says which batch and which layer an error belongs to.
- ``modes`` puts a model into evaluation, and layers into observing, for the time of a block.
- ``undo`` gives a model back its classes, attributes and tensors if a block fails, Ctrl-C included.
- ``layer_calibration`` and ``layer_summary`` are the rows of a ``Calibration`` and a ``Summary``;
  ``calibration_files`` keeps the first in a file.
- ``digital`` lists the layers that are not on a crossbar, with the reasons.
"""
