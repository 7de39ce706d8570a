"""A teacher that is trained, too, and what keeps it from collapsing.

The contrastive loss has a trivial optimum where both sides may move: a teacher whose tokens are all
told apart by something that speech and text share and that has nothing to do with words. So three
terms are added up, with B the stored teacher, B' the trained one, B_s the student, and sg what is
taken as fixed:

    L(B_s, sg(B')) + L(B', sg(B_s)) + a L(B', B)

The last one holds every token of B' to the same token of the frozen copy, which is what the store
has. Scores on dev are always those against B, so runs can be compared.
"""

from collections.abc import Callable

from jaxtyping import Float, Int64
from torch import Tensor, nn

from tokser.pretrain.ragged import as_padded, as_ragged

__all__ = ["FreeTeacher", "teacher_losses"]

Tokens = Float[Tensor, "tokens text_dim"]
Loss = Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]


class FreeTeacher(nn.Module):
    """The upper blocks of the text encoder, from the stored layer below them.

    Args:
        blocks: See `encoders.upper_blocks`.
        special_tokens: Whether [CLS] and [SEP] take part in the loss; the blocks always see them.
    """

    def __init__(self, blocks: nn.Module, *, special_tokens: bool) -> None:
        super().__init__()
        self.blocks, self._special_tokens = blocks, special_tokens

    def forward(
        self, below: Float[Tensor, "all_tokens text_dim"], lengths: Int64[Tensor, " batch"]
    ) -> Tokens:
        """Return B'.

        Args:
            below: The stored layer, all tokens of an utterance, one utterance after the other.
            lengths: Tokens of each.
        """
        layers = self.blocks(as_padded(below, lengths), lengths.to(below.device))
        states = layers[max(layers)]
        if self._special_tokens:
            return as_ragged(states, lengths)
        return as_ragged(states[:, 1:-1], lengths - 2)


def teacher_losses(
    loss: Loss, trained: Tokens, student: Tokens, frozen: Tokens, temperature: float, anchor: float
) -> Tensor:
    """Return what the trained teacher is differentiated by: L(B', sg(B_s)) + a L(B', B).

    Args:
        loss: The contrastive loss, which takes its second argument as fixed.
        trained: B'.
        student: B_s.
        frozen: B.
        temperature: tau.
        anchor: a.
    """
    toward: Tensor = loss(trained, student.detach(), temperature)[1]
    held: Tensor = loss(trained, frozen, temperature)[1]
    return toward + anchor * held
