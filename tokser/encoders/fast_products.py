"""Matrix products of frozen models on a processor, by the faster of the libraries within torch.

How it works: a mode of torch sees each linear map and each attention of a model while the block
runs, whatever code calls them, and computes what it can by oneDNN.

- Linear maps in fp32 are MKL's by default, which takes a path without AVX-512 on processors that
  are not Intel's: oneDNN takes 0.4 of the time there.
- Attention: torch's fused kernel multiplies through MKL, too, and in bfloat16 it is fast where
  the processor has AMX alone. Head by head, as products of oneDNN and a softmax, it takes 0.4 of
  the time in bfloat16 and 0.65 in fp32: one head's scores lie in the cache.

Scores and softmax are fp32, in bfloat16 as well: rounded scores would cost a fifth more of
exactness and gain a tenth of the time.

What must never happen: gradients through these products (they have none: whoever trains comes by
another way), or a change of the process: the mode is the calling thread's, and ends with the block.
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn.functional import linear, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from tokser import onednn

__all__ = ["FastProducts", "attend", "suits"]

FEWEST_SCORES = 2**17
"""Of a head: below, the fused kernel's single call is faster than a loop over heads."""
QUERIES = 512
"""At once: their scores stay in the cache."""


def suits(dtype: torch.dtype) -> bool:
    """Tell whether this processor multiplies faster so."""
    return dtype in _suited_types()


class FastProducts(TorchFunctionMode):
    """Lets torch compute linear maps and attention of one type by oneDNN while the block runs.

    Args:
        dtype: float32 or bfloat16; other tensors are left alone.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Compute what this is for, and leave everything else as it is."""
        if func is linear and self._dtype == torch.float32:
            return _linear(*args, **(kwargs or {}))
        if func is scaled_dot_product_attention:
            return _attend(self._dtype, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scale: float,
) -> torch.Tensor:
    """Attend head by head.

    Args:
        query: [rows, heads, queries, width], float32 or bfloat16.
        key: [rows, heads, keys, width].
        value: [rows, heads, keys, width].
        mask: Which keys a query sees (bool), or what is added to the scores, of a shape that
            broadcasts to [rows, heads, queries, keys].
        scale: Factor of the scores.

    Returns:
        [rows, heads, queries, width], heads of a query side by side in memory.
    """
    rows, heads, queries, _ = query.shape
    found = query.new_empty(rows, queries, heads, value.shape[-1])
    if mask is not None:
        mask = mask.expand(rows, heads, queries, key.shape[2])
    query, key = query.float() * scale, key.float()
    for row, head in itertools.product(range(rows), range(heads)):
        keys = key[row, head].contiguous()
        values = value[row, head].T.contiguous()
        for first in range(0, queries, QUERIES):
            part = slice(first, first + QUERIES)
            scores = _product(query[row, head, part].contiguous(), keys)
            if mask is not None:
                _apply(mask[row, head, part], scores)
            weights = torch.softmax(scores, -1, out=scores)
            found[row, part, head] = _product(weights.to(value.dtype), values)
    return found.transpose(1, 2)


def _product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return left @ right.T of contiguous matrices."""
    found: torch.Tensor = onednn.LINEAR(left, right, None, "none", [], "")
    return found


def _apply(mask: torch.Tensor, scores: torch.Tensor) -> None:
    if mask.dtype == torch.bool:
        scores.masked_fill_(~mask, float("-inf"))
    else:
        scores += mask


def _linear(
    given: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    if not (given.dtype == weight.dtype == torch.float32 and given.numel() and given.dim() > 1):
        return linear(given, weight, bias)
    found: torch.Tensor = onednn.LINEAR(given.contiguous(), weight, bias, "none", [], "")
    return found


def _attend(
    dtype: torch.dtype,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    **options: Any,
) -> torch.Tensor:
    """Compute what `scaled_dot_product_attention` does."""
    is_plain = not (dropout_p or is_causal or any(options.values()))
    is_ours = all(one.dim() == 4 and one.dtype == dtype for one in (query, key, value))
    if is_plain and is_ours and query.shape[2] * key.shape[2] >= FEWEST_SCORES:
        return attend(
            query, key, value, attn_mask, query.shape[-1] ** -0.5 if scale is None else scale
        )
    return scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **options
    )


@functools.cache
def _suited_types() -> frozenset[torch.dtype]:
    """Types whose products are faster by oneDNN on this processor."""
    if onednn.LINEAR is None:
        return frozenset()
    capabilities = getattr(torch.cpu, "get_capabilities", dict)  # older releases have none
    has: dict[str, Any] = capabilities()
    found = set()
    if has.get("avx512_f") and "AMD" in str(has.get("cpu_name")):
        found.add(torch.float32)
    if has.get("avx512_bf16") and not has.get("amx_bf16"):
        found.add(torch.bfloat16)
    return frozenset(found)
