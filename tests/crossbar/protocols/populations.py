"""Programming many cells to one target, and their currents."""

import torch

from memrix._support.streams import Stream
from memrix.crossbar.protocols import Programmed, ProgrammingProtocol, ResetSet
from memrix.device import CellCurrent, load_parameters

PARAMETERS = load_parameters()


def program(protocol: ProgrammingProtocol, targets: torch.Tensor, seed: int = 1) -> Programmed:
    chip, programming = Stream.of(seed, "chip"), Stream.of(seed, "programming")
    return protocol.program(targets, PARAMETERS, chip=chip, programming=programming)


def currents(states: torch.Tensor, volts: float = 0.2) -> torch.Tensor:
    """Shares of the current of a nominal ON cell of reset-set."""
    current = CellCurrent(PARAMETERS)
    on, _ = ResetSet().nominal_states(PARAMETERS)
    return current.of(states.double(), torch.tensor(volts, dtype=torch.float64)) / current.of(on, volts)
