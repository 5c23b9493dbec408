"""Decoding of the outputs of a CTC model: beam search over a lexicon, with a language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from memrix.asr.search.emissions import Emissions, checked, utterances
from memrix.asr.search.network import Network, Resources
from memrix.asr.search.settings import SearchSettings
from memrix.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from memrix.asr.search.language_model import LanguageModel
    from memrix.asr.search.lexicon import Lexicon

_CHUNKS_PER_JOB = 4
"""Parts per process that utterances are divided into, so that no process waits long for the last one."""

_networks: dict[tuple[str, ...], Network] = {}
"""The network of the last search that this process, a worker, has done a part of."""


class BeamSearch:
    """The most likely words for what a CTC model puts out.

    The search is flashlight-text's lexicon decoder (Kahn et al., arXiv 2201.12465) with KenLM
    (Heafield, WMT 2011). The network of the lexicon is built once, and shared by searches with other settings.

    Args:
        symbols: names of the model's labels; the first is the blank.
        lexicon: words that can be found, spelled in these symbols.
        language_model: None lets any words follow each other.
        settings: width and scales.
        prior: mean posterior of each label, ``[labels]``, as of `label_prior`; needed unless ``prior_scale`` is 0.

    Raises:
        DataError: parts that do not fit together.
        AssetError: flashlight-text is not installed.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        lexicon: Lexicon,
        language_model: LanguageModel | None,
        settings: SearchSettings | None = None,
        prior: Tensor | npt.NDArray[np.floating] | None = None,
    ) -> None:
        settings = SearchSettings() if settings is None else settings
        self._resources = Resources(tuple(symbols), lexicon, language_model)
        self._prior = None if prior is None else _checked_prior(prior, len(symbols))
        self._check_scales(settings)
        self.settings = settings
        self._network: Network | None = Network(self._resources)

    def with_settings(self, settings: SearchSettings) -> BeamSearch:
        """A search with other settings and the same network.

        Raises:
            DataError: a prior scale, and no prior.
        """
        self._check_scales(settings)
        other = object.__new__(BeamSearch)
        other.__dict__ = {**self.__dict__, "settings": settings}
        return other

    def transcribe(self, log_probabilities: Tensor, lengths: Tensor, *, n_jobs: int = 1) -> list[str]:
        """Words of each utterance of a batch; empty if there are none.

        Args:
            log_probabilities: natural logarithms, ``[batch, frames, labels]``.
            lengths: valid frames of each utterance, ``[batch]``.
            n_jobs: processes that search at once; -1 for one on each core. The result is the same for any number.

        Raises:
            DataError: shapes that do not fit, lengths out of range, or values above 0.
            InputError: values that are not numbers.
        """
        return self.transcribe_each(utterances(log_probabilities, lengths), n_jobs=n_jobs)

    def transcribe_each(self, items: Sequence[Tensor | npt.NDArray[np.floating]], *, n_jobs: int = 1) -> list[str]:
        """Words of each utterance, whose log-probabilities are ``[frames, labels]``.

        Raises:
            DataError: shapes that do not fit, or values above 0.
            InputError: values that are not numbers.
        """
        if n_jobs < 1 and n_jobs != -1:
            raise DataError(f"n_jobs is the number of processes, or -1 for one on each core, got {n_jobs}")
        emissions = checked(items, len(self._resources.symbols))
        if n_jobs == 1 or len(emissions) < 2:
            return self._transcribe(emissions)

        import joblib

        parts = min(len(emissions), joblib.effective_n_jobs(n_jobs) * _CHUNKS_PER_JOB)
        transcribe = joblib.delayed(self._transcribe)
        found = joblib.Parallel(n_jobs=n_jobs)(transcribe(emissions[start::parts]) for start in range(parts))
        return [found[i % parts][i // parts] for i in range(len(emissions))]

    def __getstate__(self) -> dict[str, Any]:
        # The network cannot be sent to another process, which builds it once and knows it again by this key. It is
        # computed before, and sent along, lest that process read a large language model for it each time.
        _ = self._resources.key
        return {**self.__dict__, "_network": None}

    def _transcribe(self, emissions: Sequence[Emissions]) -> list[str]:
        network = self._network or _network(self._resources)
        decoder = network.decoder(self.settings)
        words = network.words
        return [" ".join(words[word] for word in network.best(decoder, self._scores(frames))) for frames in emissions]

    def _scores(self, emissions: Emissions) -> Emissions:
        if self._prior is None or self.settings.prior_scale == 0:
            return emissions
        return emissions - (self.settings.prior_scale * np.log(self._prior)).astype(np.float32)

    def _check_scales(self, settings: SearchSettings) -> None:
        if self._prior is None and settings.prior_scale > 0:
            raise DataError(
                f"prior_scale={settings.prior_scale} needs the prior of the labels, and none is given; give the "
                "result of label_prior as prior, or prior_scale=0"
            )


def _checked_prior(prior: Tensor | npt.NDArray[np.floating], labels: int) -> npt.NDArray[np.float64]:
    # In single precision the prior of a label that hardly ever occurs would be 0.
    array = np.asarray(prior if isinstance(prior, np.ndarray) else prior.detach().cpu().double(), dtype=np.float64)
    if array.shape != (labels,):
        raise DataError(f"the prior has shape {list(array.shape)}, expected [{labels}] for {labels} labels")
    total = float(array.sum())
    if not (array > 0).all() or not np.isclose(total, 1.0, atol=1e-3):
        raise DataError(
            f"the prior must be positive for each label and sum to 1, got values from {array.min():.4g} that sum to "
            f"{total:.4g}; give the result of label_prior"
        )
    return array


def _network(resources: Resources) -> Network:
    if resources.key not in _networks:
        _networks.clear()
        _networks[resources.key] = Network(resources)
    return _networks[resources.key]
