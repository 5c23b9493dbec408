"""Former place of ``memrix.asr.evaluation.reporting``, for one version."""

from memrix.toolkit import former_module

__getattr__ = former_module(
    __name__,
    "memrix.asr.evaluation.reporting",
    {
        "SilentReporter": "Reporter",
    },
)
