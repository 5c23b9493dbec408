"""Former place of ``memrix.asr.corpora.catalog``, for one version."""

from memrix.toolkit import former_module

__getattr__ = former_module(__name__, "memrix.asr.corpora.catalog")
