"""Recognizers measured on a test split, with one lexicon and language model; what is measured is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import torch
from lhotse import CutSet
from pydantic import Field, TypeAdapter

import memrix
from memrix import Hardware
from memrix.asr.content import content_of, hash_of
from memrix.asr.experiment.systems import Measurement, System, measure, on_chip
from memrix.asr.experiment.trained import kept_search
from memrix.asr.files import write_whole
from memrix.asr.kept import parse_kept, validated, with_hash
from memrix.asr.labels import Labels
from memrix.asr.recognizer import Recognizer
from memrix.asr.recognizer_files import load_recognizer, recognizer_digest
from memrix.asr.search.beam import BeamSearch
from memrix.asr.search.language_model import LanguageModel
from memrix.asr.search.lexicon import Lexicon
from memrix.asr.search.prior import label_prior
from memrix.asr.search.settings import SearchSettings
from memrix.asr.search.tuning import tune
from memrix.asr.transcription import emissions
from memrix.errors import CheckpointError, DataError

LM_SCALES = (0.6, 0.9, 1.2, 1.5, 1.8, 2.1, 2.4, 2.8)
_PRIOR = "prior"
_PROBABILITIES = TypeAdapter(list[Annotated[float, Field(gt=0, le=1)]])
PRIOR_SCALES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class Digital:
    """A recognizer, and the hash of what its file holds."""

    recognizer: Recognizer
    sha256: str

    @classmethod
    def read(cls, path: Path, bits: float | None) -> Digital:
        """The recognizer of a file, whose weights are to have so many bits; None in float.

        Raises:
            CheckpointError: it cannot be read, or its weights have other bits.
        """
        recognizer = load_recognizer(path)[0]
        if not isinstance(recognizer, Recognizer):
            raise CheckpointError(f"{str(path)!r} holds no CTC recognizer, and this experiment decodes CTC labels")
        hardware = recognizer.description.get("hardware")
        found = None if hardware is None else hardware["weight_bits"]
        if found != bits:
            wanted, got = ("in float" if number is None else f"of {number:g} bit" for number in (bits, found))
            raise CheckpointError(f"{str(path)!r} holds a recognizer {got}; expected one {wanted}")
        return cls(recognizer, recognizer_digest(path))


@dataclass
class Evaluation:
    """Measures recognizers, and keeps what was measured for the next time that the same is asked for.

    Attributes:
        folder: where measurements are kept.
        say: is told in words what comes next.
        train, dev, test: utterances.
        words: that the search may find.
        labels: the inventory, knowing how all words are spelled.
        language_model: of the search.
    """

    folder: Path
    say: Callable[[str], None]
    train: CutSet
    dev: CutSet
    test: CutSet
    words: Iterable[str]
    labels: Labels
    language_model: LanguageModel

    def tuned(self, digital: Digital, beam: int) -> SearchSettings:
        """Scales with the fewest errors of the float recognizer on the development split."""
        kept = self.folder / "search.json"
        key = self._key(digital, beam, self._dev_content)
        if kept.is_file():
            settings, known = kept_search(kept, "remove it to tune again")
            if known == key:
                return settings
        self.say("tuning the scales of the search on the development split")
        found = emissions(digital.recognizer, self.dev)
        start = SearchSettings(beam_size=beam, token_beam=20, lm_scale=1.8, prior_scale=0.4)
        texts = {cut.id: cut.supervisions[0].text for cut in self.dev}
        tuning = tune(
            self._search(start, _prior(found.values())),
            list(found.values()),
            [texts[name] for name in found],
            lm_scales=LM_SCALES,
            prior_scales=PRIOR_SCALES,
            progress=lambda done, most, point: self.say(
                f"LM scale {point.lm_scale:g}, prior scale {point.prior_scale:g}: "
                f"WER {100 * point.word_error_rate:.2f} %"
            ),
        )
        points = [asdict(point) for point in tuning.points]
        write_whole(
            kept,
            json.dumps(with_hash({"key": key, "settings": asdict(tuning.best), "points": points}), indent=1).encode(),
        )
        return tuning.best

    def measured(
        self,
        system: System,
        digital: Digital,
        tuned: SearchSettings,
        hardware: Hardware | None = None,
        seed: int = 0,
    ) -> Measurement:
        """What a system makes of the test split; one that runs on a chip has its hardware and the chip's seed."""
        on = None if hardware is None else (hardware.to_dict(), seed)
        heard = (self._dev_content, self._test_content)
        key = self._key(digital, str(system), asdict(tuned), on, heard)
        kept = self.folder / "systems" / f"{key[:20]}.json"
        known = Measurement.load(kept, key)
        if known is not None:
            return known
        self.say(f"measuring {system}")
        began = time.monotonic()
        # The prior is that of the digital model, for its chips too.
        search = self._search(tuned, self._prior_of(digital))
        running = digital.recognizer
        if hardware is not None:
            running = on_chip(running, hardware, seed, self.train)
        measurement = measure(system, running, self.test, search, self._references, began, seed)
        measurement.save(kept, key)
        return measurement

    def _key(self, digital: Digital, *parts: object) -> str:
        """What a result depends on: a recognizer, all that words are found with, and more."""
        found_with = (self.language_model.sha256, self._lexicon.fingerprint)
        return hash_of(memrix.__version__, digital.sha256, *found_with, *parts)

    def _search(self, settings: SearchSettings, prior: torch.Tensor) -> BeamSearch:
        return BeamSearch(self.labels.symbols, self._lexicon, self.language_model, settings, prior)

    @cached_property
    def _lexicon(self) -> Lexicon:
        words = sorted(self.words)
        missing = self.labels.unspellable(words)
        if missing:
            raise DataError(
                f"{len(missing)} words of the corpus cannot be spelled in the labels of the recognizer: "
                f"{', '.join(missing)}; write their pronunciations into a file, a line for each such as "
                f"'memrix M EH M R IH K S', and name it with --dictionaries (setting dictionaries)"
            )
        return Lexicon({word: self.labels.spellings(word) for word in words})

    @cached_property
    def _dev_content(self) -> str:
        return content_of(self.dev)

    @cached_property
    def _test_content(self) -> str:
        return content_of(self.test)

    @cached_property
    def _references(self) -> dict[str, list[int]]:
        return {cut.id: self.labels.encode(cut.supervisions[0].text) for cut in self.test}

    def _prior_of(self, digital: Digital) -> torch.Tensor:
        kept = self.folder / "systems" / f"prior-{self._key(digital, self._dev_content, _PRIOR)[:20]}.json"
        if kept.is_file():
            return _kept_prior(kept)
        prior = _prior(emissions(digital.recognizer, self.dev).values())
        write_whole(kept, json.dumps(with_hash({_PRIOR: prior.tolist()})).encode())
        return prior


def _prior(found: Iterable[torch.Tensor]) -> torch.Tensor:
    return label_prior((frames.unsqueeze(0), torch.tensor([len(frames)])) for frames in found)


def _kept_prior(path: Path) -> torch.Tensor:
    try:
        table, _ = parse_kept(path.read_bytes())
        return torch.tensor(validated(_PROBABILITIES, table[_PRIOR]), dtype=torch.float64)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is damaged ({error}); remove it to find it again") from error
