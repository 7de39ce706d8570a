"""A training step of the aligner: reassociated, plain, and scaled_dot_product_attention.

LibriSpeech-like lengths, Whisper-base width 512 to BERT width 768, batch 64, fp32.
"""

import numpy as np
import torch
from ratios import medians, report
from torch.nn import functional

from tokser.pretrain.attention import (
    ReportAligner,
    frame_mask,
    plain_attention,
    reassociated_attention,
)

BATCH, TEXT_DIM, SPEECH_DIM = 64, 768, 512


def sdpa(queries, speech, mask, w_q, w_k, w_v):
    return functional.scaled_dot_product_attention(
        queries @ w_q, speech @ w_k, speech @ w_v, attn_mask=mask[:, None, :], scale=1.0
    )


def test_a_training_step_against_its_peers():
    rng = np.random.default_rng(0)
    num_frames = torch.from_numpy(np.sort(rng.integers(500, 800, BATCH)))
    speech = torch.randn(BATCH, int(num_frames.max()), SPEECH_DIM)
    queries = torch.randn(BATCH, 40, TEXT_DIM)
    aligner = ReportAligner(TEXT_DIM, SPEECH_DIM)
    weights = (aligner.w_q, aligner.w_k, aligner.w_v)
    mask = frame_mask(num_frames, speech.shape[1])

    def step(way):
        def _step():
            output = way(queries, speech, mask, *weights)
            (output[0] if isinstance(output, tuple) else output).square().mean().backward()
            aligner.zero_grad()

        return _step

    seconds = medians(
        {
            "reassociated": step(reassociated_attention),
            "plain K, V": step(plain_attention),
            "SDPA": step(sdpa),
        }
    )
    ratios = {
        "step_vs_plain_fp32": seconds["plain K, V"] / seconds["reassociated"],
        "step_vs_sdpa_fp32": seconds["SDPA"] / seconds["reassociated"],
    }
    report("attention", seconds, ratios)
    assert min(ratios.values()) > 1
