import pytest
import torch
from torch import nn

from tokser.pretrain.contrastive import plain_contrastive_loss, token_contrastive_loss
from tokser.pretrain.free_teacher import FreeTeacher, teacher_losses


class Doubled(nn.Module):
    """Stands for the blocks of an encoder."""

    def forward(self, states, lengths):
        return {1: states + 1, 2: 2 * states}


@pytest.mark.parametrize("special", [True, False])
def test_the_teacher_is_the_last_layer_of_its_blocks(special):
    below = torch.arange(14.0).view(7, 2)
    lengths = torch.tensor([4, 3])
    found = FreeTeacher(Doubled(), special_tokens=special)(below, lengths)
    inner = below if special else below[[1, 2, 5]]
    torch.testing.assert_close(found, 2 * inner)


def test_only_the_trained_teacher_has_a_gradient():
    torch.manual_seed(0)
    trained, student, frozen = (torch.randn(6, 4, requires_grad=True) for _ in range(3))

    def loss(moved, fixed, tau):
        value = token_contrastive_loss(moved, fixed, tau)
        return value.detach(), value

    teacher_losses(loss, trained, student, frozen, 0.07, 0.5).backward()
    assert student.grad is None
    assert frozen.grad is None
    wanted = trained.detach().clone().requires_grad_()
    plain = plain_contrastive_loss(wanted, student.detach(), 0.07)
    (plain + 0.5 * plain_contrastive_loss(wanted, frozen.detach(), 0.07)).backward()
    torch.testing.assert_close(trained.grad, wanted.grad)
