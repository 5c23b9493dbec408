"""Former name of ``memrix.asr.recognizer_files``, for one version."""

from memrix.toolkit import former_names

__getattr__ = former_names(
    __name__,
    {
        "new_recogniser": "memrix.asr.recognizer.new_recognizer",
        "quantize_recogniser": "memrix.asr.recognizer_files.quantize_recognizer",
        "save_recogniser": "memrix.asr.recognizer_files.save_recognizer",
        "load_recogniser": "memrix.asr.recognizer_files.load_recognizer",
        "recogniser_digest": "memrix.asr.recognizer_files.recognizer_digest",
        "chip_choice": "memrix.asr.recognizer_files.chip_choice",
        "load_weights": "memrix.asr.recognizer_files.load_weights",
    },
)
