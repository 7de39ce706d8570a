import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.encoders.frames import (
    conv_frames,
    conv_min_samples,
    overlapping,
    whisper_frames,
    windows,
)

KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)


@given(num_samples=st.integers(0, 2_000_000))
def test_wavlm_frames_follow_the_closed_form(num_samples):
    expected = max(0, (num_samples - 400) // 320 + 1)
    assert conv_frames(num_samples, KERNELS, STRIDES) == expected


@settings(deadline=None)  # the first call of torch takes long
@given(num_samples=st.integers(400, 3_000))
def test_conv_frames_are_what_convolutions_make(num_samples):
    signal = torch.zeros(1, 1, num_samples)
    for kernel, stride in zip(KERNELS, STRIDES, strict=True):
        signal = torch.nn.functional.conv1d(signal, torch.zeros(1, 1, kernel), stride=stride)
    assert conv_frames(num_samples, KERNELS, STRIDES) == signal.shape[-1]


def test_the_shortest_waveform_has_one_frame():
    shortest = conv_min_samples(KERNELS, STRIDES)
    assert shortest == 400
    assert conv_frames(shortest, KERNELS, STRIDES) == 1
    assert conv_frames(shortest - 1, KERNELS, STRIDES) == 0


@given(num_samples=st.integers(1, 2_000_000))
def test_windows_cover_every_sample_and_keep_the_frame_count(num_samples):
    cuts = windows(num_samples, 480_000)
    assert cuts[0][0] == 0
    assert cuts[-1][1] == num_samples
    assert all(a[1] == b[0] for a, b in itertools.pairwise(cuts))
    frames = sum(whisper_frames(after - first) for first, after in cuts)
    assert frames == whisper_frames(num_samples)


@given(num_frames=st.integers(1, 400), window=st.integers(2, 60), data=st.data())
def test_overlapping_windows_keep_every_frame_once(num_frames, window, data):
    overlap = data.draw(st.integers(0, window - 1))
    spans = overlapping(num_frames, window, overlap)
    kept = [frame for span in spans for frame in range(span.keep_first, span.keep_after)]
    assert kept == list(range(num_frames))
    assert (len(spans) == 1) == (num_frames <= window)
    for span in spans:
        assert overlap < span.after - span.first <= window or len(spans) == 1
        assert span.first == 0 or span.keep_first - span.first >= overlap // 2
        assert span.after == num_frames or span.after - span.keep_after >= overlap // 2
