"""Former name of ``memrix.asr.recognizer``, for one version."""

from memrix.toolkit import former_names

__getattr__ = former_names(
    __name__,
    {
        "Recogniser": "memrix.asr.recognizer.Recognizer",
    },
)
