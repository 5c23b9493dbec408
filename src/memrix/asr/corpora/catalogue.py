"""Former name of ``memrix.asr.corpora.catalog``, for one version."""

from memrix.toolkit import former_names

__getattr__ = former_names(
    __name__,
    {
        "load_corpus": "memrix.asr.corpora.catalog.load_corpus",
        "prepare_corpus": "memrix.asr.corpora.catalog.prepare_corpus",
        "require_corpus": "memrix.asr.corpora.catalog.require_corpus",
        "already_prepared": "memrix.asr.corpora.catalog.already_prepared",
    },
)
