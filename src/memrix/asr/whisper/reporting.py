"""Former place of ``memrix.asr.evaluation.reporting``, for one version."""

from memrix.toolkit import former_names

__getattr__ = former_names(
    __name__,
    {
        "Reporter": "memrix.asr.evaluation.reporting.Reporter",
        "SilentReporter": "memrix.asr.evaluation.reporting.SilentReporter",
    },
)
