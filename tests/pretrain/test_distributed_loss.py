"""Two processes that share a batch do what one does with all of it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tokser.pretrain.contrastive import plain_contrastive_loss
from tokser.pretrain.distributed_loss import gather_rows, gathered_loss, local_loss
from tokser.pretrain.paper import PaperAligner

pytestmark = pytest.mark.slow

TOKENS, FRAMES = [3, 5, 2, 4, 1], [7, 9, 4, 11, 6]
SHARES = ([0, 2, 4], [1, 3])
"""Utterances of each process: nine tokens for one, six for the other."""

_ONE_RANK = """
import gc, sys, torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from tokser.pretrain.aligner import AlignerInput
from tokser.pretrain.distributed_loss import gather_rows, gathered_loss, local_loss
from tokser.pretrain.paper import PaperAligner

folder, rank = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
distributed.init_process_group(
    "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
)
given = torch.load(f"{folder}/{rank}.pt")
inputs, teacher = AlignerInput(*given["inputs"]), given["teacher"]
found = {}
for loss in (gathered_loss, local_loss):
    aligner = PaperAligner(4, 6).double()
    aligner.load_state_dict(given["weights"])
    parallel = DistributedDataParallel(aligner)
    value, total = loss(parallel(inputs), teacher, 0.07)
    total.backward()
    gradients = {name: p.grad for name, p in aligner.named_parameters()}
    found[loss.__name__] = {"loss": value, "gradients": gradients}
found["rows"] = gather_rows(teacher)
torch.save(found, f"{folder}/{rank}.found.pt")
# A thread of torch's that lets go of the last reducer while Python ends would abort the process.
del parallel, value, total
gc.collect()
distributed.barrier()
distributed.destroy_process_group()
"""


def share(inputs, teacher, utterances):
    """The rows of some utterances, utterance after utterance."""
    tokens, frames = inputs.num_tokens.tolist(), inputs.num_frames.tolist()
    return {
        "inputs": (
            torch.cat([inputs.queries.split(tokens)[i] for i in utterances]),
            inputs.num_tokens[utterances],
            torch.cat([inputs.speech.split(frames, dim=1)[i] for i in utterances], dim=1),
            inputs.num_frames[utterances],
        ),
        "teacher": torch.cat([teacher.split(tokens)[i] for i in utterances]),
    }


@pytest.fixture(scope="module")
def both(inputs, tmp_path_factory):
    """What one process finds with all utterances, and what two find with their shares."""
    folder: Path = tmp_path_factory.mktemp("ranks")
    given = inputs(TOKENS, FRAMES)
    given = given._replace(queries=given.queries.double(), speech=given.speech.double())
    torch.manual_seed(0)
    teacher = torch.randn(sum(TOKENS), 4, dtype=torch.float64)
    aligner = PaperAligner(4, 6).double()
    for rank, utterances in enumerate(SHARES):
        weights = aligner.state_dict()
        torch.save(share(given, teacher, utterances) | {"weights": weights}, folder / f"{rank}.pt")
    commands = [[sys.executable, "-c", _ONE_RANK, str(folder), str(rank)] for rank in range(2)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for command in commands]
    for process in processes:
        assert process.wait(timeout=120) == 0, process.stderr.read().decode()
        process.stderr.close()
    loss = plain_contrastive_loss(aligner(given), teacher, 0.07)
    loss.backward()
    found = [torch.load(folder / f"{rank}.found.pt") for rank in range(2)]
    return loss.detach(), aligner, found


@pytest.mark.parametrize("loss", [gathered_loss, local_loss])
def test_two_processes_have_the_loss_and_gradients_of_one(both, loss):
    value, aligner, found = both
    for rank in found:
        torch.testing.assert_close(rank[loss.__name__]["loss"], value)
        for name, weight in aligner.named_parameters():
            torch.testing.assert_close(rank[loss.__name__]["gradients"][name], weight.grad)


def test_rows_of_all_processes_come_in_order_of_rank(both):
    _, _, found = both
    for mine, theirs in zip(found[0]["rows"], found[1]["rows"], strict=True):
        assert torch.equal(mine, theirs)
    sizes = [sum(TOKENS[i] for i in utterances) for utterances in SHARES]
    assert [len(rows) for rows in found[0]["rows"]] == sizes


@pytest.mark.parametrize("loss", [gathered_loss, local_loss])
def test_one_process_alone_has_the_plain_loss(loss):
    student, teacher = torch.randn(2, 6, 4, dtype=torch.float64).unbind()
    value, total = loss(student.requires_grad_(), teacher, 0.07)
    torch.testing.assert_close(value, plain_contrastive_loss(student, teacher, 0.07).detach())
    assert total.requires_grad and not value.requires_grad
    assert [len(rows) for rows in gather_rows(student)] == [6]
