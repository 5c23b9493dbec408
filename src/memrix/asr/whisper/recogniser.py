"""Former name of ``memrix.asr.whisper.recognizer``, for one version."""

from memrix.toolkit import former_names

__getattr__ = former_names(
    __name__,
    {
        "WhisperRecogniser": "memrix.asr.whisper.recognizer.WhisperRecognizer",
        "load_recogniser": "memrix.asr.whisper.recognizer.load_recognizer",
    },
)
