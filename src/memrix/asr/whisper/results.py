"""Former place of ``memrix.asr.evaluation.results``, for one version."""

from memrix.toolkit import former_names

__getattr__ = former_names(
    __name__,
    {
        "EvaluationResult": "memrix.asr.evaluation.results.EvaluationResult",
        "Execution": "memrix.asr.evaluation.records.Execution",
        "Row": "memrix.asr.evaluation.results.Row",
        "summarize": "memrix.asr.evaluation.results.summarize",
    },
)
