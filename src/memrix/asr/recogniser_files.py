"""Former place of ``memrix.asr.recognizer_files``, for one version."""

from memrix.toolkit import former_module

__getattr__ = former_module(
    __name__,
    "memrix.asr.recognizer_files",
    {
        "new_recogniser": "new_recognizer",
        "quantize_recogniser": "quantize_recognizer",
        "save_recogniser": "save_recognizer",
        "load_recogniser": "load_recognizer",
        "recogniser_digest": "recognizer_digest",
    },
)
