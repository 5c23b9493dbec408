"""What to evaluate: a recognizer, recordings, and the chips to run on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from memrix.asr.counts import LARGEST_SEED, count_problems
from memrix.errors import MemrixError, SettingsError
from memrix.toolkit import listing, shown, warn_renamed

# `memrix --help` reads the fields below: torch is imported by the methods that need it.
if TYPE_CHECKING:
    from memrix import Hardware
    from memrix.asr.evaluation.records import Execution

CUSTOM = "custom"
"""Name of hardware that is given as an object."""
_ADC = re.compile(r"(?P<precision>\d{1,3})/(?P<range>\d{1,3})")


@dataclass(frozen=True)
class EvaluationSettings:
    """What to evaluate.

    Attributes:
        model: the speech model: whisper-tiny.en, a sequence-to-sequence model of the Hugging Face Hub, a folder that
            holds one, a file that `memrix train` wrote, queen-small, or a folder that `memrix experiment
            --save-trained` wrote.
        corpus: the recordings: asterisk, queen, another prepared corpus (its test split), a folder of audio and text
            files, or a manifest: JSON lines with `audio` and `text`.
        hardware: the chips: presets (paper, physical, tuned, realistic, ideal) or TOML or JSON files. Their bits per
            weight are replaced.
        weight_bits: bits per weight, 1.5 for ternary weights. At each of them, the network is quantized and
            programmed on chips. Trained recognizers bring their own default.
        low_bit: recognizers trained with low-bit weights, as bits:file, such as 4:run/model.safetensors. At other
            bits per weight, the model is quantized without training.
        chips: number of chips of each hardware at each of the bits per weight.
        adc: ADC settings to compare, as precision bits/range bits, such as 8/8,6/6,4/4,2/2. By default that of the
            hardware.
        pre_cycles: numbers of pre-cycling cycles before programming to compare, such as 1,10. By default no
            pre-cycling beyond that of the hardware.
        costs: number of utterances that energy, latency and area of an utterance are counted on, on the first chip of
            each kind, for the JSON file. By default none.
        part: part of the test split to evaluate, such as test-other of LibriSpeech. By default the whole split.
        limit: number of utterances to evaluate. By default all that calibration leaves.
        calibration_clips: number of utterances that activation ranges are calibrated on, at most all of their split.
            They are not evaluated.
        calibration_split: split of a prepared corpus, such as train, to draw these utterances from. By default train
            if the corpus has it, otherwise that which is evaluated.
        percentile: percentile of the input magnitudes of a layer that sets its activation range. 100 is the largest
            magnitude, as in arXiv 2505.24721.
        longest_clip: length in seconds above which recordings are left out. By default none is.
        join: join utterances to windows of up to 30 s, as training does: a model of windows is then several times as
            fast. Errors are counted over windows, and limit and calibration_clips count utterances.
        batch_size: number of utterances in a batch. By default 8 for a model of windows of 30 s, otherwise as many as
            last a minute.
        seed: seed of the choice of utterances and of read noise. Chip c is programmed with seed + c.
        skip_bad: leave out audio files that cannot be read, and count them, instead of stopping.
        digital: patterns of names of layers that stay digital. By default front end and output layer, as in the
            paper. None given ("") maps every layer to the chip.
        language_model: ARPA file for decoding a CTC model. By default that of the trained recognizers, or a 4-gram
            model estimated from the training text of the corpus.
        dictionaries: files of pronunciations for words that the dictionaries of the corpus lack.
        beam: number of hypotheses that decoding of a CTC model keeps. By default 100, or the number tuned with the
            trained recognizers.
        hardware_names: what tables call the chips. By default as they were given.

    Raises:
        SettingsError: lists every invalid setting.
    """

    model: str = "whisper-tiny.en"
    corpus: str = "asterisk"
    hardware: tuple[Hardware | str, ...] = ("paper",)
    weight_bits: tuple[float, ...] = (8, 6, 5, 4)
    low_bit: tuple[str, ...] = ()
    chips: int = 1
    adc: tuple[str, ...] = ()
    pre_cycles: tuple[int, ...] = ()
    costs: int | None = None
    part: str | None = None
    limit: int | None = None
    calibration_clips: int = 8
    calibration_split: str | None = None
    percentile: float = 99.99
    longest_clip: float | None = None
    join: bool = False
    batch_size: int | None = None
    seed: int = 0
    skip_bad: bool = False
    digital: tuple[str, ...] | None = None
    language_model: str | None = None
    dictionaries: tuple[str, ...] = ()
    beam: int | None = None
    hardware_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given: object = self.hardware
        object.__setattr__(self, "hardware", given if isinstance(given, tuple | list) else (given,))
        object.__setattr__(self, "low_bit", _as_texts(self.low_bit))
        problems = self._problems()
        if problems:
            raise SettingsError(f"these settings cannot be used:{listing(problems)}")

    def _problems(self) -> list[str]:
        """Everything that is invalid."""
        from memrix.asr.outside import text_problem

        problems = []
        if not self.weight_bits or len(set(self.weight_bits)) < len(self.weight_bits):
            problems.append(f"weight_bits must be numbers of bits, each once, got {self.weight_bits!r}")
        if not self.hardware:
            problems.append("hardware must name at least one chip, such as 'paper'")
        names = [name for name in self.hardware_names if isinstance(name, str) and name]
        if self.hardware_names and not len(set(names)) == len(self.hardware_names) == len(self.hardware):
            problems.append(
                f"hardware_names must be one name for each of {len(self.hardware)} chips, each another one, got "
                f"{self.hardware_names!r}"
            )
        problems += [
            f"an ADC is precision/range, such as 4/4, got {text!r}" for text in self.adc if not _ADC.fullmatch(text)
        ]
        problems += count_problems(self, ("chips", "limit", "calibration_clips", "batch_size", "beam", "costs"))
        problems += count_problems(self, ("seed",), 0, LARGEST_SEED)
        if self.longest_clip is not None and not self.longest_clip > 0:
            problems.append(f"longest_clip must be a number of seconds above 0, got {self.longest_clip!r}")
        for text in (self.model, self.corpus, self.language_model):
            problem = None if text is None else text_problem(text)
            problems += [] if problem is None else [problem]
        return problems or self._misfits()

    def _misfits(self) -> list[str]:
        """What is invalid of values that are sound by themselves."""
        problems: dict[str, None] = {}  # what is wrong is so at every number of bits
        for bits in self.weight_bits:
            try:
                self.variants(bits)
                unused = [f"{known:g}" for known in self.low_bit_files if known not in self.weight_bits]
            except MemrixError as error:
                problems[str(error)] = None
                continue
            if unused:
                problems[
                    f"low_bit names recognizers of {', '.join(unused)} bits, and weight_bits are "
                    f"{self.weight_bits!r}; give these bits too"
                ] = None
        return list(problems)

    def variants(self, bits: float) -> dict[str, Hardware]:
        """Chips at so many bits by their names: all hardware, with every ADC and number of pre-cycles to compare."""
        from memrix import PreCycled

        found = {}
        for title, given in zip(self._titles, self.hardware, strict=True):
            base = self.hardware_at(given, bits)
            for adc in self.adc or (None,):
                for cycles in self.pre_cycles or (None,):
                    chip, name = base, title
                    if adc is not None:
                        precision, reach = map(int, adc.split("/"))
                        chip = chip.replace(**{"adc.precision_bits": precision, "adc.range_bits": reach})
                        name += f", ADC {adc}"
                    if cycles is not None:
                        chip = chip.replace(programming=PreCycled(cycles=cycles))
                        name += f", {cycles} pre-cycle{'s' if cycles > 1 else ''}"
                    found[name] = chip
        return found

    @property
    def _titles(self) -> tuple[str, ...]:
        """What tables call the hardware."""
        return self.hardware_names or tuple(given if isinstance(given, str) else CUSTOM for given in self.hardware)

    @staticmethod
    def hardware_at(given: Hardware | str, bits: float) -> Hardware:
        """Hardware, or that of a name, with so many bits a weight."""
        from memrix import Hardware

        return (Hardware.named(given) if isinstance(given, str) else given).replace(weight_bits=bits)

    @cached_property
    def low_bit_files(self) -> dict[float, str]:
        """Files of the recognizers that were trained with low-bit weights, by their bits.

        Raises:
            SettingsError: something that is not bits:file, or bits that are given twice.
        """
        files: dict[float, str] = {}
        for text in self.low_bit:
            bits, separator, path = text.partition(":")
            number = _number(bits)
            if not (separator and path and number is not None and number not in files):
                raise SettingsError(
                    f"low_bit takes bits:file for each of different bits, such as 4:run/model.safetensors, got "
                    f"{shown(text)}"
                )
            files[number] = path
        return files

    @property
    def executions(self) -> tuple[Execution, ...]:
        """What is run, in order: float, then for each number of bits quantized and chip after chip."""
        from memrix.asr.evaluation.records import Execution

        executions = [Execution("float")]
        for bits in self.weight_bits:
            executions.append(Execution("quantized", bits))
            executions += [
                Execution("chip", bits, chip, name) for name in self.variants(bits) for chip in range(self.chips)
            ]
        return tuple(executions)

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain data, hardware by its names."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
        return {**plain, "hardware": list(self._titles)}


@dataclass(frozen=True)
class CostSettings:
    """What the costs of an utterance are measured on.

    Attributes:
        trained: trained recognizers: queen-small, which comes with memrix, or a folder that `memrix experiment
            --save-trained` has written.
        weight_bits: bits per weight of the recognizer to run, one that was trained with low-bit weights. By default
            the fewest.
        corpus: name or folder of a corpus that `memrix corpus prepare` has prepared.
        limit: number of utterances of its test split.
        chip: file of a chip of this recognizer's network that memrix.save has written. By default one is programmed.
        constants: TOML file of what one conversion, sum, product or cell costs, in place of those that come with
            memrix.
        seed: seed of the chip that is programmed.
    """

    trained: str = "queen-small"
    weight_bits: float | None = None
    corpus: str = "queen"
    limit: int = 10
    chip: str | None = None
    constants: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        problems = count_problems(self, ("limit",)) + count_problems(self, ("seed",), 0, LARGEST_SEED)
        if problems:
            raise SettingsError("; ".join(problems))


def _number(text: str) -> float | None:
    if not re.fullmatch(r"\d{1,2}(\.\d+)?", text, re.ASCII):
        return None
    number = float(text)
    return int(number) if number.is_integer() else number


def _as_texts(low_bit: tuple[object, ...]) -> tuple[object, ...]:
    """Files by their bits as texts, from pairs that they were."""
    if all(isinstance(item, str) for item in low_bit):
        return low_bit
    warn_renamed("low_bit=((bits, file),)", "low_bit=('bits:file',)", stacklevel=5)
    return tuple(item if isinstance(item, str) else "{:g}:{}".format(*item) for item in low_bit)  # type: ignore[misc]
