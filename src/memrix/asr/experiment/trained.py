"""Former place of ``memrix.asr.trained_recognizers``, for one version."""

from memrix.toolkit import former_module

__getattr__ = former_module(
    __name__,
    "memrix.asr.trained_recognizers",
    {
        "TrainedRecognisers": "TrainedRecognizers",
        "shipped_recognisers": "shipped_recognizers",
    },
)
