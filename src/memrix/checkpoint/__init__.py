"""Chips in files: saved, described, compared with a model, and restored."""

from memrix.checkpoint.files import load, save
from memrix.checkpoint.packing import pack_weights, unpack_weights

__all__ = ["load", "pack_weights", "save", "unpack_weights"]
