"""Former place of ``memrix.asr.trained_recognizers``, for one version."""

from memrix.toolkit import former_names

_HOME = "memrix.asr.trained_recognizers"
_NAMES = ("TrainedRecognizers", "shipped_recognizers", "open_trained", "write_trained", "kept_search")

__getattr__ = former_names(
    __name__,
    {
        **{name: f"{_HOME}.{name}" for name in _NAMES},
        "TrainedRecognisers": f"{_HOME}.TrainedRecognizers",
        "shipped_recognisers": f"{_HOME}.shipped_recognizers",
    },
)
