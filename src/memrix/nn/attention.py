"""``nn.MultiheadAttention`` that calls its four projections."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from memrix.errors import InputError
from memrix.nn.composite import DecomposedLayer, Projection, Rows, Submodules
from memrix.nn.inputs import require_dense

_PROJECTIONS = ("q_proj", "k_proj", "v_proj")


def attention_submodules(module: nn.Module) -> Submodules:
    """``q_proj``, ``k_proj`` and ``v_proj``, which are rows of its parameters, and the ``out_proj`` that it has."""
    attention = cast(nn.MultiheadAttention, module)
    width, biased = attention.embed_dim, attention.in_proj_bias is not None
    submodules: dict[str, nn.Module] = {}
    packed = attention._qkv_same_embed_dim
    for number, name in enumerate(_PROJECTIONS):
        own = (number * width, (number + 1) * width)
        weight = Rows("in_proj_weight", *own) if packed else Rows(f"{name}_weight")
        submodules[name] = Projection(attention, weight, Rows("in_proj_bias", *own) if biased else None)
    return {**submodules, "out_proj": attention.out_proj}


class DecomposedAttention(DecomposedLayer):
    """``nn.MultiheadAttention`` that calls ``q_proj``, ``k_proj``, ``v_proj`` and ``out_proj``."""

    embed_dim: int
    num_heads: int
    head_dim: int
    kdim: int
    vdim: int
    batch_first: bool
    dropout: float
    add_zero_attn: bool
    bias_k: Tensor | None  # [1, 1, embed_dim]
    bias_v: Tensor | None
    q_proj: nn.Module
    k_proj: nn.Module
    v_proj: nn.Module
    out_proj: nn.Module

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """What ``nn.MultiheadAttention`` gives for the same arguments.

        Args:
            query: ``[batch, length, embed_dim]``, ``[length, batch, embed_dim]`` unless ``batch_first``, or
                ``[length, embed_dim]``.
            key: likewise, of another length and ``kdim``.
            value: as long as the key, and of ``vdim``.
            key_padding_mask: ``[batch, keys]``: True where a key is not part of its sequence, or numbers to add.
            need_weights: whether to return the attention weights too.
            attn_mask: ``[length, keys]`` or ``[batch * heads, length, keys]``: True where a query must not look,
                or numbers to add.
            average_attn_weights: over heads.
            is_causal: that ``attn_mask`` is the causal one.

        Returns:
            The output, of the shape of the query, and the weights ``[batch, length, keys]`` or
            ``[batch, heads, length, keys]``, or None.

        Raises:
            InputError: arguments whose shapes do not fit.
        """
        batched = query.dim() == 3
        self._require_shapes(query, key, value)
        query, key, value = (self._batch_first(x, batched) for x in (query, key, value))
        if key.shape[:2] != value.shape[:2] or key.shape[0] != query.shape[0]:
            raise InputError(
                f"query, key and value must be of one batch, and key and value of one length; as [batch, length] got "
                f"{list(query.shape[:2])}, {list(key.shape[:2])} and {list(value.shape[:2])}"
            )
        if is_causal and attn_mask is None:
            raise InputError(
                "is_causal says that attn_mask is the causal mask, but there is none; give one, such as "
                "torch.nn.Transformer.generate_square_subsequent_mask(length)"
            )
        # torch too takes the hint at its word only where nothing else is masked or asked for.
        by_hint = is_causal and key_padding_mask is None and not need_weights
        mask = None if by_hint else self._mask(attn_mask, key_padding_mask, query, key, batched)
        # [batch, heads, length, head_dim]
        queries, keys, values = self._heads(self.q_proj(query)), *self._keys_and_values(key, value)
        mixed, weights = self._mix(queries, keys, values, mask, need_weights, by_hint)
        output = self.out_proj(mixed.transpose(1, 2).flatten(2))
        if weights is not None and average_attn_weights:
            weights = weights.mean(1)
        if not batched:
            return output.squeeze(0), None if weights is None else weights.squeeze(0)
        return output if self.batch_first else output.transpose(0, 1), weights

    def _mix(
        self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, need_weights: bool, causal: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Values ``[batch, heads, length, head_dim]`` mixed by attention, and its weights where they are needed."""
        dropout = self.dropout if self.training else 0.0
        if not need_weights:
            mixed = functional.scaled_dot_product_attention(
                queries, keys, values, mask, dropout_p=dropout, is_causal=causal
            )
            return mixed, None
        scores = (queries / math.sqrt(self.head_dim)) @ keys.transpose(2, 3)
        weights = (scores if mask is None else scores + mask).softmax(-1)
        weights = functional.dropout(weights, dropout) if dropout else weights
        return weights @ values, weights

    def _batch_first(self, x: Tensor, batched: bool) -> Tensor:
        if not batched:
            return x.unsqueeze(0)
        return x if self.batch_first else x.transpose(0, 1)

    def _heads(self, x: Tensor) -> Tensor:
        """``[batch, heads, length, head_dim]``."""
        return x.view(*x.shape[:2], self.num_heads, self.head_dim).transpose(1, 2)

    def _keys_and_values(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Those of the sequence, then the learnt one, then the one of zeros, where the layer has these."""
        keys, values = self.k_proj(key), self.v_proj(value)
        batch, _, width = keys.shape
        if self.bias_k is not None and self.bias_v is not None:
            keys = torch.cat((keys, self.bias_k.to(keys.dtype).expand(batch, 1, width)), 1)
            values = torch.cat((values, self.bias_v.to(values.dtype).expand(batch, 1, width)), 1)
        if self.add_zero_attn:
            keys = functional.pad(keys, (0, 0, 0, 1))
            values = functional.pad(values, (0, 0, 0, 1))
        return self._heads(keys), self._heads(values)

    def _mask(
        self, attention: Tensor | None, padding: Tensor | None, query: Tensor, key: Tensor, batched: bool
    ) -> Tensor | None:
        """Numbers to add to the scores: ``[batch or 1, heads or 1, length or 1, keys]``."""
        batch, length, keys = query.shape[0], query.shape[1], key.shape[1]
        masks = []
        if attention is not None:
            whole = (batch * self.num_heads, length, keys)
            if attention.shape not in ((length, keys), whole):
                raise InputError(
                    f"attn_mask must be [{length}, {keys}] or {list(whole)} (batch * heads, queries, keys), "
                    f"got {list(attention.shape)}"
                )
            numbers = _numbers("attn_mask", attention, query.dtype)
            masks.append(numbers if numbers.dim() == 2 else numbers.reshape(batch, self.num_heads, length, keys))
        if padding is not None:
            expected = (batch, keys) if batched else (keys,)
            if padding.shape != expected:
                raise InputError(f"key_padding_mask must be {list(expected)}, got {list(padding.shape)}")
            masks.append(_numbers("key_padding_mask", padding, query.dtype).view(batch, 1, 1, keys))
        if not masks:
            return None
        mask = sum(masks[1:], masks[0])
        extra = (self.bias_k is not None) + self.add_zero_attn
        mask = functional.pad(mask, (0, extra)) if extra else mask
        return mask[None, None] if mask.dim() == 2 else mask

    def _require_shapes(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        """Raise InputError unless query, key and value are what the layer was made for."""
        given = {"query": query, "key": key, "value": value}
        if any(x.is_nested for x in given.values()):
            raise InputError(
                "attention whose projections are called one by one takes no nested tensors; give padded tensors, "
                "torch.nested.to_padded_tensor(x, 0.0), and a key_padding_mask"
            )
        for name, x in given.items():
            require_dense(f"attention ({name})", x)
        axes = query.dim()
        for (name, x), width in zip(given.items(), (self.embed_dim, self.kdim, self.vdim), strict=True):
            if x.dim() == axes and axes in (2, 3) and x.shape[-1] == width:
                continue
            order = "batch, length" if self.batch_first else "length, batch"
            raise InputError(
                f"the {name} of this attention must be [{order}, {width}], or all of query, key and value without "
                f"the batch axis; got {list(x.shape)}"
            )


def _numbers(name: str, mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask as numbers to add to scores."""
    if mask.dtype == torch.bool:
        return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(mask, -math.inf)
    if mask.is_floating_point():
        return mask.to(dtype)
    raise InputError(
        f"{name} must be of bool (True: leave out) or of floating-point numbers to add, got {mask.dtype}; "
        f"call .bool() on it"
    )
