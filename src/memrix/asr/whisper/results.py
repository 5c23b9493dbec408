"""Former place of ``memrix.asr.evaluation.results``, for one version."""

from memrix.toolkit import former_names

__getattr__ = former_names(
    __name__,
    {
        "EvaluationResult": "memrix.asr.evaluation.results.EvaluationResult",
        "Execution": "memrix.asr.evaluation.results.Execution",
        "Row": "memrix.asr.evaluation.results.Row",
        "ChipMean": "memrix.asr.evaluation.results.ChipMean",
        "summarize": "memrix.asr.evaluation.results.summarize",
    },
)
