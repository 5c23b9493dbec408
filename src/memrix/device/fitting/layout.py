"""The columns of a file of measurements, and their units. No library is imported here."""

from __future__ import annotations

FEATURE_COLUMNS = ("R_HRS", "U_set", "R_LRS", "U_reset")
CYCLE_COLUMNS = ("device", "cycle", *FEATURE_COLUMNS)
CURVE_COLUMNS = ("curve", "U", "I")
COLUMNS = (*CYCLE_COLUMNS, *CURVE_COLUMNS)
LOOP_COLUMNS = ("device", "cycle", "U", "I")
LOW_CURVE, HIGH_CURVE = "LRS", "HRS"
# Whatever else a column holds is a number.
TEXT_COLUMNS = ("device", "curve")
UNITS = {"R_HRS": "ohm", "U_set": "V", "R_LRS": "ohm", "U_reset": "V", "U": "V", "I": "A"}
EXAMPLE = "`memrix device example` writes such a file"
