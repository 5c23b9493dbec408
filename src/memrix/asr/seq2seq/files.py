"""What the file of a sequence-to-sequence recognizer may say, checked before its network is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSpeechSeq2Seq, PreTrainedTokenizerFast

from memrix.asr.labels import read_tokenizer
from memrix.asr.model_folders import require_no_code, require_sizes
from memrix.asr.outside import PlainText, Schema
from memrix.asr.recognizer_schema import RecognizerDescription, require_held
from memrix.asr.seq2seq.decoding import Decoding
from memrix.asr.seq2seq.model import SequenceToSequence
from memrix.asr.seq2seq.parts import Pretrained, features_of
from memrix.errors import DataError


class _Model(Schema):
    kind: Literal["sequence-to-sequence"]
    checkpoint: PlainText
    source: PlainText
    config: dict[str, Any]
    features: dict[str, Any]
    decoding: Decoding


class _Labels(Schema):
    kind: Literal["tokenizer"]
    tokenizer: PlainText


class Seq2SeqDescription(RecognizerDescription):
    """A sequence-to-sequence model, its features, and its tokenizer."""

    failures = (Exception,)  # transformers raises whatever its parts do
    kind: Literal["sequence-to-sequence"]
    model: _Model
    labels: _Labels

    def built(self, tensors: Mapping[str, Tensor]) -> SequenceToSequence:
        """The model with random weights.

        Args:
            tensors: of the file: no network is built that is larger.

        Raises:
            MemrixError, ValueError: it cannot be built; what is wrong is said.
        """
        config, features, decoding = self.model.config, self.model.features, self.model.decoding
        for table, name in ((config, "its config"), (features, "its features")):
            require_no_code(table, name)
            require_sizes(table, len(tensors), name)
        known = AutoConfig.for_model(**config)
        with torch.device("meta"):
            declared = AutoModelForSpeechSeq2Seq.from_config(known, trust_remote_code=False)
        require_held(declared, tensors)
        tokens = [*decoding.prompt, decoding.end, *decoding.never, *decoding.never_first]
        if max(tokens) >= known.get_text_config(decoder=True).vocab_size:
            raise DataError(f"its decoding names the token {max(tokens)}, beyond its vocabulary")
        with torch.random.fork_rng(devices=[]):
            network = AutoModelForSpeechSeq2Seq.from_config(known, trust_remote_code=False)
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=read_tokenizer(self.labels.tokenizer))
        parts = Pretrained(network, tokenizer, features_of(features), self.model.source)
        return SequenceToSequence(parts, decoding, self.model.checkpoint)
