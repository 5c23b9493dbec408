"""Chips and quantized models in files: saved, described, checked, compared with a model, and restored.

A chip is saved as one safetensors file, whole or not at all: tensors, and a description as JSON in the header.
Nothing is pickled. Cells are stored as they were programmed, so loading draws no random number and programs nothing::

    save    chip ──> description.of ──> soundness ──> archive ──> file
                     differences.digital_state        (SHA-256 over tensors and description)
                     files: cells without padding

    load    file ──> archive ──> description ──> soundness ──> copy of the model ──> restoration ──> chip
                                 from_dict       require_sound                       differences

- ``description``: what a chip is beside its tensors: hardware, seeds, programming report and quantization of every
  layer, texts of the device parameters, class and settings of every module, why layers stayed digital. Its ``FORMAT``
  grows with its fields; older files keep loading, and say so where their seeds meant other random numbers.
- ``soundness``: contradictions within a file, such as impossible states, negative counts or an unknown module. They
  are found before a model is touched, and before a chip is written. ``scales`` has what is valid for each scale.
- ``differences``: how a model differs from the model that the chip was made from: every difference is listed at once.
- ``restoration``: makes the copy the chip: classes, arrays, scales and tensors, layer by layer.
- ``files``: the two verbs, ``save`` and ``load``.

A quantized model is saved packed, in the space that its bits take, and is described as a chip without cells::

    save    quantized model ──> packing ──> packed_files ──> archive ──> file
                                base: tensors that are not stored, by their SHA-256
    load    file ──> packed_files ──> packing ──> all tensors ──> as a chip

- ``packing``: the state of a quantized model with its weights as packed integers.
- ``packed_matrix``: one matrix as integers, full scales and bits. ``packable``: which weights these can be, and where
  a model keeps them. ``base``: tensors that a model has in common with the one that it was trained from.
- ``packed_files``: what ``save`` and ``load`` do with packed files.

Files of other kinds, such as a ``memrix.Calibration``, lie in the packages of what they hold. They share the archive
of ``memrix._support.archive``.
"""

from memrix.checkpoint.files import load, save
from memrix.checkpoint.packing import pack_weights, unpack_weights

__all__ = ["load", "pack_weights", "save", "unpack_weights"]
