"""Former place of ``memrix.asr.seq2seq.pretrained``, for one version."""

from memrix.toolkit import former_module

__getattr__ = former_module(
    __name__,
    "memrix.asr.seq2seq.pretrained",
    {
        "load_recognizer": "load_seq2seq",
    },
)
