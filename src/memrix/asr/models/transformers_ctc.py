"""CTC models of transformers (Parakeet, Wav2Vec2-Conformer and their kin) as acoustic models."""

from __future__ import annotations

import math
from typing import Any, Literal, cast

import torch
from pydantic import model_validator
from torch import Tensor, nn

from memrix.asr.features import MEL_BINS, valid_frames
from memrix.asr.model_folders import SAFELY, loading, open_model_folder, require_no_code, require_sizes
from memrix.asr.models.attention import position_biases
from memrix.asr.outside import Settings, explained
from memrix.errors import AssetError, SettingsError

_LENGTHS = ("_get_subsampling_output_length", "_get_feat_extract_output_lengths")
_DIGITAL = {"ctc_head", "lm_head", "subsampling", "subsampler", "feature_extractor", "feature_projection"}
_DIGITAL |= {"pos_conv_embed"}  # its weight is normalized anew at each call
"""Output layers and front ends, by the names that they have in the models of transformers."""

_ROOM = 1.1
"""A model may have some weights that its checkpoint lacks, such as those of masks for training."""
_MOST_LAYERS = 1024


class TransformersSettings(Settings):
    """A CTC model of the ``transformers`` library: one of these.

    Attributes:
        config: its configuration, ``model_type`` and what differs from that type's defaults.
        checkpoint: name on the Hugging Face hub or local folder of pretrained weights; the output layer is new.
    """

    kind: Literal["transformers"] = "transformers"
    config: dict[str, Any] | None = None
    checkpoint: str | None = None

    @model_validator(mode="after")
    def _one(self) -> TransformersSettings:
        if (self.config is None) == (self.checkpoint is None):
            raise ValueError(
                "a model of transformers needs `config` with a `model_type`, or `checkpoint`, one of them"
            )
        if self.config is not None:
            try:
                require_no_code(self.config, "its config")
                require_sizes(self.config, _MOST_LAYERS, "its config")
            except AssetError as error:
                raise ValueError(str(error)) from error
        return self


class TransformersCtc(nn.Module):
    """A CTC model of transformers behind the interface of an acoustic model.

    Args:
        model: whatever ``AutoModelForCTC`` builds.

    Attributes:
        digital_layers: patterns of its front end and output layer, which stay digital as in arXiv 2505.24721.
        takes_audio: whether it takes audio, or features.

    Raises:
        SettingsError: the model does not tell how it shortens time, or takes other features.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401  # transformers has no type for these
        super().__init__()
        self.model = model
        self.digital_layers = (
            *(
                f"{name}.*" if any(True for _ in part.children()) else name
                for name, part in self.named_modules()
                if name.rpartition(".")[2] in _DIGITAL
            ),
            *position_biases(self),
        )
        self.takes_audio = getattr(model, "main_input_name", "input_features") == "input_values"
        if not any(hasattr(model, name) for name in _LENGTHS):
            raise SettingsError(
                f"{type(model).__name__} does not tell how many frames it makes of its input; use Parakeet, "
                "Wav2Vec2-Conformer or one of their kin"
            )

        config = getattr(model.config, "encoder_config", model.config)
        bins = getattr(config, "num_mel_bins", MEL_BINS)
        if not self.takes_audio and bins != MEL_BINS:
            raise SettingsError(f"the model takes {bins} mel bins, the features have {MEL_BINS}; set num_mel_bins")

    def rebuilding_settings(self) -> TransformersSettings:
        """What builds the same architecture, without its checkpoint."""
        config = self.model.config
        return TransformersSettings(config={**config.to_diff_dict(), "model_type": config.model_type})

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames of logits for inputs of these lengths."""
        name = next(name for name in _LENGTHS if hasattr(self.model, name))
        return cast(Tensor, getattr(self.model, name)(lengths)).long()

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``[batch, frames, labels]`` and valid frames of features ``[batch, frames, 80]`` or audio."""
        mask = valid_frames(lengths, values.shape[1])
        values = values * (mask if self.takes_audio else mask.unsqueeze(2))
        logits: Tensor = self.model(values, attention_mask=mask.long()).logits
        return logits, self.output_lengths(lengths).clamp(max=logits.shape[1])


def build_transformers_ctc(settings: TransformersSettings, labels: int) -> TransformersCtc:
    """The model with random weights, or with pretrained ones and a new output layer.

    Raises:
        SettingsError: the configuration is of no CTC model.
        AssetError: the checkpoint is out of reach.
    """
    from transformers import AutoConfig, AutoModelForCTC

    own = {"vocab_size": labels, "pad_token_id": 0, "ctc_zero_infinity": True}
    if settings.checkpoint is not None:
        return TransformersCtc(_pretrained(settings.checkpoint, own))
    table = dict(settings.config or {})
    kind = str(table.pop("model_type", ""))
    what = f"transformers builds no CTC model from model_type {kind!r} and {sorted(table)}"
    unfit = (KeyError, ValueError, TypeError, AttributeError, RuntimeError, ArithmeticError, ImportError)
    with explained(SettingsError, what, "try model_type 'parakeet_ctc' or 'wav2vec2-conformer'", unfit):
        config = AutoConfig.for_model(kind, **{**table, **own})
        model = AutoModelForCTC.from_config(config, trust_remote_code=False)
    return TransformersCtc(model)


def _pretrained(name: str, own: dict[str, Any]) -> Any:  # noqa: ANN401  # transformers has no type for these
    """The model of a folder or of the hub: a class of transformers, with weights of safetensors files."""
    from transformers import AutoConfig, AutoModelForCTC

    with loading(f"no CTC model {name!r}", "name one of the Hugging Face hub, or a folder that holds one"):
        folder = open_model_folder(name)
        config = AutoConfig.from_pretrained(folder.path, **SAFELY, **own)
        with torch.device("meta"):
            declared = AutoModelForCTC.from_config(config, trust_remote_code=False)
        # The output layer is new; nothing else may be larger than what is there.
        values = sum(value.numel() for name, value in declared.named_parameters() if "head" not in name)
        held = sum(map(math.prod, folder.shapes.values()))
        if values > _ROOM * held:
            raise AssetError(f"{folder.path} describes a model of {values} weights, and holds {held}; copy it again")
        return AutoModelForCTC.from_pretrained(
            folder.path, ignore_mismatched_sizes=True, use_safetensors=True, **SAFELY, **own
        )
