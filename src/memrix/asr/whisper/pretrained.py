"""Former place of ``memrix.asr.seq2seq.loading``, for one version."""

from memrix.toolkit import former_names

__getattr__ = former_names(
    __name__,
    {
        "Pretrained": "memrix.asr.seq2seq.parts.Pretrained",
        "load_pretrained": "memrix.asr.seq2seq.loading.load_pretrained",
        "read_wheel": "memrix.asr.whisper.wheel.read_wheel",
    },
)
