"""Greedy decoding: what a decoder begins with, ends with and does not write, and how long a transcript may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from memrix.asr.features import finite
from memrix.asr.outside import PlainText

TOKENS_PER_SECOND = 5.0
TOKENS_TO_SPARE = 8
"""Cap on the length of a transcript. 5 tokens per second are about 225 words per minute, half as fast again
as ordinary English; the spare ones leave room for spelling in short clips. A repetition loop can then do little
more than double a transcript, and no reference of the Asterisk prompts is within 8 tokens of the cap."""


TIMES, SHORTEST = 3, 4
"""A phrase of so many tokens at least that is written so many times in a row is a loop: the transcript ends after the
first. Whisper's own decoding finds loops by how well a transcript compresses."""


Token = Annotated[int, Field(ge=0, le=1 << 24)]


@dataclass(frozen=True)
class Decoding:
    """Tokens that a decoder begins with, ends with, and does not write.

    Attributes:
        prompt: that every transcript begins with.
        end: of a transcript.
        never: that are not written.
        never_first: that do not begin a transcript.
        prefix: before the first word of a text.
    """

    prompt: Annotated[tuple[Token, ...], Field(min_length=1, max_length=64)]
    end: Token
    never: tuple[Token, ...] = ()
    never_first: tuple[Token, ...] = ()
    prefix: PlainText = ""


@torch.no_grad()
def greedy_tokens(
    network: Any,  # noqa: ANN401
    encoder_output: Tensor,
    caps: Sequence[int],
    decoding: Decoding,
    mask: Tensor | None = None,
) -> list[list[int]]:
    """Most likely tokens of each utterance, without the prompt and the end.

    Args:
        network: of transformers, with an encoder and a decoder.
        encoder_output: ``[batch, frames, width]``.
        caps: on the number of tokens of each utterance.
        decoding: tokens of the decoder.
        mask: 1 where the input of the encoder is valid, ``[batch, length]``; None where all of it is.

    Raises:
        ConversionError: the decoder's output is not finite.
    """
    written: list[list[int]] = [[] for _ in caps]
    active = list(range(len(caps)))  # utterances that are not finished; the rows of all tensors below
    tokens = torch.tensor([decoding.prompt] * len(active), device=encoder_output.device)
    cache = None
    while active:
        output = network(
            **encoded_speech(encoder_output, mask),
            decoder_input_ids=tokens,
            past_key_values=cache,
            use_cache=True,
        )
        cache = output.past_key_values
        chosen = _choose(finite(output.logits[:, -1], "decoder output"), decoding, first=not written[active[0]])
        kept = []
        for row, (utterance, token) in enumerate(zip(active, chosen.tolist(), strict=True)):
            if token != decoding.end:
                written[utterance].append(token)
                if not end_loop(written[utterance]) and len(written[utterance]) < caps[utterance]:
                    kept.append(row)
        if len(kept) < len(active):
            rows = torch.tensor(kept, dtype=torch.long, device=encoder_output.device)
            active = [active[row] for row in kept]
            encoder_output, chosen = encoder_output[rows], chosen[rows]
            mask = None if mask is None else mask[rows]
            cache.batch_select_indices(rows)
        tokens = chosen.unsqueeze(1)
    return written


def end_loop(tokens: list[int]) -> bool:
    """Whether tokens end in a phrase that is repeated again and again; if so, all but the first are removed."""
    for length in range(SHORTEST, len(tokens) // TIMES + 1):
        phrase = tokens[-length:]
        if all(tokens[-(n + 1) * length : -n * length] == phrase for n in range(1, TIMES)):
            del tokens[-(TIMES - 1) * length :]
            return True
    return False


def encoded_speech(encoder_output: Tensor, mask: Tensor | None) -> dict[str, Any]:
    """What a decoder of transformers takes from an encoder.

    Args:
        encoder_output: ``[batch, frames, width]``; frames of zeros are padding where there is a mask.
        mask: 1 where the input of the encoder is valid, ``[batch, length]``; None where all of it is.
    """
    output = BaseModelOutput(last_hidden_state=encoder_output)
    if mask is None:
        return {"encoder_outputs": output}
    # Most decoders derive the mask of frames from that of the input; to others, their encoder would have given it.
    output["attention_mask"] = encoder_output.ne(0).any(dim=2).int()
    return {"encoder_outputs": output, "attention_mask": mask}


def _choose(logits: Tensor, decoding: Decoding, *, first: bool) -> Tensor:
    """Most likely token of each row among those that may be written; ``[batch]``."""
    logits = logits.clone()
    logits[:, list(decoding.never)] = -torch.inf
    if first:
        logits[:, list(decoding.never_first)] = -torch.inf
    return logits.argmax(dim=-1)
