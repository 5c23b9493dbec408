"""Which pulses switch the cells of a fitted device, in words."""

from __future__ import annotations

from memrix.device import DeviceParameters, SwitchingShares, pulse_voltages, switching_shares

USUAL = (-2.0, 2.0)  # V, of SET and RESET: those of the measured device (arXiv 2505.24721)
_ALL = 0.999  # share of the cells


def switching_lines(parameters: DeviceParameters) -> list[str]:
    """What pulses of -2 V and +2 V switch, and if that is not everything, which voltages would."""
    usual = switching_shares(parameters, *USUAL)
    lines = [_line(*USUAL, usual)]
    if min(usual) >= _ALL:
        return lines
    suited = pulse_voltages(parameters)
    shares = switching_shares(parameters, *suited)
    lines.append(
        f"{_line(*suited, shares)}: what programming.set_voltage and "
        "programming.reset_voltage are unless a chip sets others"
    )
    if min(shares) < _ALL:
        lines.append(
            f"No pulse that can be set switches all cells of this device: {1 - shares.set:.1%} do not SET, "
            f"{1 - shares.reset:.1%} do not RESET. Are the voltages in V, and is --full-reset-voltage "
            f"({parameters.full_reset_voltage:g} V) right?"
        )
    return lines


def _line(set_voltage: float, reset_voltage: float, shares: SwitchingShares) -> str:
    return (
        f"pulses of {set_voltage:g} V SET {shares.set:.1%} of the cells, those of +{reset_voltage:g} V RESET "
        f"{shares.reset:.1%}"
    )
