"""Former place of ``memrix.asr.evaluation.settings``, for one version."""

from memrix.toolkit import former_module

__getattr__ = former_module(__name__, "memrix.asr.evaluation.settings")
