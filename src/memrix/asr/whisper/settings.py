"""Former place of ``memrix.asr.evaluation.settings``, for one version."""

from memrix.toolkit import former_names

__getattr__ = former_names(
    __name__,
    {
        "EvaluationSettings": "memrix.asr.evaluation.settings.EvaluationSettings",
    },
)
