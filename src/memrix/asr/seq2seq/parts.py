"""Parts of a pretrained sequence-to-sequence model, whoever loads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers.models.auto.feature_extraction_auto import feature_extractor_class_from_name

from memrix.errors import DataError
from memrix.toolkit import shown


@dataclass(frozen=True)
class Pretrained:
    """A model with all that turns speech into its input and its output into text.

    Attributes:
        model: of transformers, float32, in eval mode.
        tokenizer: of transformers, fast.
        features: extractor of transformers.
        source: where the weights came from, with hash or revision.
    """

    model: Any
    tokenizer: Any
    features: Any
    source: str


def features_of(settings: Mapping[str, Any]) -> Any:  # noqa: ANN401 - transformers has no type for it
    """The feature extractor that settings describe.

    Raises:
        DataError: transformers has none of that name.
    """
    name = settings.get("feature_extractor_type")
    kind = feature_extractor_class_from_name(name) if isinstance(name, str) else None
    if kind is None:
        raise DataError(f"its features are of {shown(name)}, which transformers does not have")
    return kind.from_dict(dict(settings))
