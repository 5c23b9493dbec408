"""What CTC recognizers find words with, for a corpus: taken from where they were trained, or made from its text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from lhotse import CutSet
from torch import Tensor

import memrix
from memrix.asr.corpora.prepared import PreparedCorpus
from memrix.asr.evaluation.batches import BATCH_SECONDS
from memrix.asr.evaluation.reporting import Reporter
from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.asr.files import make_folder
from memrix.asr.kept import content_of, hash_of
from memrix.asr.labels import Labels, PhonemeLabels
from memrix.asr.pronunciation import corpus_pronunciations
from memrix.asr.recognizer import Recognizer
from memrix.asr.search.beam import BeamSearch
from memrix.asr.search.decoding import Decoding
from memrix.asr.search.estimation import estimate
from memrix.asr.search.language_model import LanguageModel, open_language_model
from memrix.asr.search.prior import label_prior
from memrix.asr.search.settings import SearchSettings
from memrix.asr.search.tuning import tune
from memrix.asr.trained_recognizers import TrainedRecognizers, kept_priors, kept_search, write_search
from memrix.asr.training.data import evaluation_plan, padded_audio
from memrix.errors import DataError

DEFAULT_BEAM = 100
LM_SCALES = (0.6, 0.9, 1.2, 1.5, 1.8, 2.1, 2.4, 2.8)
PRIOR_SCALES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class WordFinder:
    """Makes the decoding of recognizers for the words of a corpus; what it makes is kept.

    Attributes:
        settings: of the evaluation.
        texts: transcripts that are evaluated, where the corpus has no splits.
        corpus: the prepared one, or None.
        trained: what comes with the recognizers, or None.
        folder: where a language model, scales and priors are kept.
        reporter: hears what comes next.
    """

    settings: EvaluationSettings
    texts: Sequence[str]
    corpus: PreparedCorpus | None
    trained: TrainedRecognizers | None
    folder: Path
    reporter: Reporter

    def decoding(self, floating: Recognizer, low_bit: Iterable[Recognizer]) -> Decoding:
        """How these recognizers, all of one inventory of labels, find words.

        Raises:
            DataError: words that cannot be spelled, all listed; or nothing to make a language model from.
        """
        # Also those that are not evaluated: a shorter test is not easier.
        whole = self.corpus and [text for split in self.corpus.splits for text in _texts(self.corpus.cuts(split))]
        texts = list(whole or self.texts)
        labels = self._labels(floating, texts)
        found = {word for text in texts for word in text.split()}
        if isinstance(floating.labels, PhonemeLabels):
            found |= {word for word in floating.labels.pronunciations if labels.spellings(word)}
        words = tuple(sorted(found))
        missing = labels.unspellable(words)
        if missing:
            raise DataError(
                f"{len(missing)} words of the corpus cannot be spelled in the labels of the recognizer: "
                f"{', '.join(missing)}; derive their pronunciations with `memrix corpus pronounce`, or write them "
                "into a file, a line for each such as 'memrix M EH M R IH K S', and name it with --dictionaries "
                "(setting dictionaries)"
            )
        model = self._language_model()
        priors = {item.weight_bits: self._prior(item) for item in (floating, *low_bit)}
        made = Decoding(SearchSettings(DEFAULT_BEAM, prior_scale=0.0), model, labels, words, priors)
        return replace(made, settings=self._scales(floating, made))

    def _cuts(self, split: str, what: str) -> CutSet:
        if self.corpus is None or split not in self.corpus.splits:
            raise DataError(
                f"the corpus {self.settings.corpus} has no split {split!r} to find {what} with; name a folder of "
                "trained recognizers, which brings it (`memrix experiment --save-trained` writes one), or take "
                "a prepared corpus"
            )
        return self.corpus.cuts(split).to_eager()

    def _labels(self, floating: Recognizer, texts: Iterable[str]) -> Labels:
        """The same inventory, knowing how all words of the corpus are spelled."""
        labels = floating.labels
        if not isinstance(labels, PhonemeLabels):
            return labels
        name = None if self.corpus is None else str(self.corpus.folder)
        known = corpus_pronunciations(name, self.settings.dictionaries, texts)
        return PhonemeLabels({**known, **labels.pronunciations}, labels.phonemes)

    def _language_model(self) -> LanguageModel:
        if self.settings.language_model is not None:
            return open_language_model(Path(self.settings.language_model))
        if self.trained is not None and self.trained.language_model is not None:
            return open_language_model(self.trained.language_model)
        texts = _texts(self._cuts("train", "a language model"))
        path = self._kept("lm", "arpa.gz", texts)
        if not path.is_file():
            self.reporter.note("estimating a language model from the training text")
            estimate(texts, path)
        return open_language_model(path)

    def _prior(self, recognizer: Recognizer) -> Tensor:
        """Mean posterior of each label on the development split."""
        if self.trained is not None and recognizer.weight_bits in self.trained.priors:
            return torch.tensor(self.trained.priors[recognizer.weight_bits], dtype=torch.float64)
        dev = self._cuts("dev", "the label prior")
        path = self._kept("prior", "json", recognizer.source, content_of(dev))
        if path.is_file():
            return torch.tensor(kept_priors(path, "remove it to find it again")[None], dtype=torch.float64)
        found = emissions(recognizer, dev).values()
        prior = label_prior((frames.unsqueeze(0), torch.tensor([len(frames)])) for frames in found)
        write_search(path, None, {None: prior.tolist()})
        return prior

    def _scales(self, floating: Recognizer, made: Decoding) -> SearchSettings:
        """Scales with the fewest errors of the float recognizer on the development split."""
        beam = self.settings.beam
        if self.trained is not None and self.trained.search is not None:
            known = self.trained.search
            return known if beam is None else replace(known, beam_size=beam)
        dev = self._cuts("dev", "the scales of decoding")
        path = self._kept("search", "json", floating.source, made.fingerprint, beam, content_of(dev))
        if path.is_file():
            return kept_search(path, "remove it to tune again")
        self.reporter.note("tuning the scales of decoding on the development split")
        found, texts = emissions(floating, dev), {cut.id: cut.supervisions[0].text for cut in dev}
        start = SearchSettings(beam_size=beam or DEFAULT_BEAM, token_beam=20, lm_scale=1.8, prior_scale=0.4)
        tuning = tune(
            BeamSearch(made.labels.symbols, made.lexicon, made.language_model, start, made.priors[None]),
            list(found.values()),
            [texts[name] for name in found],
            lm_scales=LM_SCALES,
            prior_scales=PRIOR_SCALES,
            progress=lambda done, most, point: self.reporter.note(
                f"LM scale {point.lm_scale:g}, prior scale {point.prior_scale:g}: "
                f"WER {100 * point.word_error_rate:.2f} %"
            ),
        )
        write_search(path, tuning.best, {}, points=[asdict(point) for point in tuning.points])
        return tuning.best

    def _kept(self, kind: str, suffix: str, *parts: object) -> Path:
        """Where something is kept that follows from these parts; its folder is made."""
        make_folder(self.folder)
        return self.folder / f"{kind}-{hash_of(memrix.__version__, *parts)[:20]}.{suffix}"


def _texts(cuts: CutSet) -> list[str]:
    return [cut.supervisions[0].text for cut in cuts]


@torch.no_grad()
def emissions(recognizer: Recognizer, cuts: CutSet) -> dict[str, Tensor]:
    """Log-probabilities of the labels, ``[frames, labels]`` on the CPU, of every utterance by its id.

    Args:
        recognizer: in float, quantized or on a chip; it is put into evaluation mode.
        cuts: the utterances.
    """
    recognizer.eval()
    found: dict[str, Tensor] = {}
    known = {cut.id: cut for cut in cuts}
    for batch in evaluation_plan(cuts, recognizer, BATCH_SECONDS):
        ids = [name for (name,) in batch]
        log_probabilities, lengths = recognizer(*padded_audio([known[name] for name in ids]))
        for name, frames, length in zip(ids, log_probabilities.cpu(), lengths.tolist(), strict=True):
            found[name] = frames[:length].clone()
    return found
