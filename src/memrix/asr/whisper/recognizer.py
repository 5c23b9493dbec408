"""Former place of loaders of Whisper, for one version."""

from memrix.toolkit import former_names

__getattr__ = former_names(
    __name__,
    {
        "load_recognizer": "memrix.asr.seq2seq.pretrained.load_seq2seq",
    },
)
