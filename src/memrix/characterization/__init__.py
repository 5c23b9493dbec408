"""From measured switching cycles to device parameters: reading, estimating, judging the fit.

Needs the extra ``memrix[device]``.
"""

from memrix.characterization.cycles import Cycles
from memrix.characterization.estimation import fit_parameters
from memrix.characterization.goodness import Goodness, goodness_of_fit
from memrix.characterization.reading import read_cycles
from memrix.characterization.simulation import simulate_cycles

__all__ = ["Cycles", "Goodness", "fit_parameters", "goodness_of_fit", "read_cycles", "simulate_cycles"]
