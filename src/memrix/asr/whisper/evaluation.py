"""Former place of ``memrix.asr.evaluation.run``, for one version."""

from memrix.toolkit import former_names

__getattr__ = former_names(
    __name__,
    {
        "evaluate": "memrix.asr.evaluation.run.evaluate",
    },
)
