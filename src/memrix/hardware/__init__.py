"""The description of a chip: its parts, its presets, its files."""

from memrix.hardware.description import Device, Hardware

__all__ = ["Device", "Hardware"]
