"""Chips in files: saved, described, compared with a model, and restored."""

from memrix.checkpoint.files import load, save

__all__ = ["load", "save"]
