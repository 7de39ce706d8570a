"""Recordings of several channels: each utterance is the one that its table says."""

import json

import numpy as np
import pytest
import soundfile

from tokser.corpora.manifest import channel_of, probe_recordings, read_manifest
from tokser.corpora.tables.lhotse import read_lhotse
from tokser.corpora.tables.records import Naming, Record, rows_of
from tokser.corpora.waveform import read_waveform
from tokser.errors import ManifestError
from tokser.extraction.load_batches import Utterances, load_batch

CALL = np.random.default_rng(0).uniform(-0.5, 0.5, (800, 2)).astype("float32")
RECORDING = {"id": "call", "sampling_rate": 16_000, "num_samples": 800, "duration": 0.05}
SOURCE = {"type": "file", "channels": [0, 1], "source": "call.wav"}


@pytest.fixture
def root(tmp_path):
    soundfile.write(tmp_path / "call.wav", CALL, 16_000, subtype="FLOAT")
    return tmp_path


def records_of(root, channels, *, recording=RECORDING, source=SOURCE, cuts=False):
    turns = [
        {
            "id": f"turn-{i}",
            "recording_id": "call",
            "start": 0,
            "duration": 0.05,
            "channel": channel,
        }
        for i, channel in enumerate(channels)
    ]
    turns = [turn | {"custom": {"emotion": "angry"}} for turn in turns]
    recording = recording | {"sources": [source]}
    lines = [recording, *turns]
    if cuts:
        lines = [turn | {"recording": recording, "supervisions": [turn]} for turn in turns]
        for line in lines:
            del line["recording_id"], line["supervisions"][0]["channel"]
    path = root / "lines.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return list(read_lhotse([path]))


@pytest.mark.parametrize("cuts", [False, True])
def test_two_speakers_on_two_channels_are_two_waveforms(root, cuts):
    rows = rows_of(records_of(root, [0, 1], cuts=cuts), table="t", root=root, naming=Naming())
    probe_recordings("mine", root, rows).write(root / "m.csv")
    manifest = read_manifest(root / "m.csv", dataset="mine", root=root)
    assert list(manifest.table["channel"]) == ["0", "1"]
    assert list(manifest.table["num_samples"]) == [800, 800]
    for place, (_, row) in enumerate(manifest.table.iterrows()):
        heard = read_waveform(root / row["path"], channel_of(row))
        np.testing.assert_array_equal(heard, CALL[:, place])


def test_an_encoder_gets_the_channel_that_is_meant(root):
    class Encoder:
        kind = "speech"

        def prepare(self, waveforms):
            return waveforms

    paths = [root / "call.wav"] * 3
    utterances = Utterances(["a", "b", "c"], [800] * 3, {}, paths, channels=[1, None, 0])
    loaded = load_batch(Encoder(), utterances, [0, 1, 2])
    for heard, expected in zip(
        loaded.prepared, [CALL[:, 1], CALL.mean(1), CALL[:, 0]], strict=True
    ):
        np.testing.assert_array_equal(heard, expected)


@pytest.mark.parametrize("channel", [[0, 1], None])
def test_one_utterance_of_all_channels_is_their_average(root, channel):
    (record,) = records_of(root, [channel])
    assert record.faults == ()
    assert "channel" not in record.cells


def test_a_recording_of_one_channel_needs_no_column(root):
    (record,) = records_of(root, [0], source=SOURCE | {"channels": [0]})
    assert "channel" not in record.cells


def test_channels_are_counted_as_the_file_has_them(root):
    records = records_of(root, [7, 4], source=SOURCE | {"channels": [4, 7]})
    assert [record.cells["channel"] for record in records] == ["1", "0"]


@pytest.mark.parametrize(
    ("channel", "channels", "fault"),
    [
        ([0, 1], [0, 1, 2], r"turn-0 is the channels [0, 1] out of [0, 1, 2] of call; save it"),
        (2, [0, 1], "turn-0 is channel 2 where there are [0, 1] of call"),
        ("left", [0, 1], "turn-0 is channel 'left', which is not a whole number, of call"),
    ],
)
def test_channels_that_cannot_be_taken_are_told(root, channel, channels, fault):
    (record,) = records_of(root, [channel], source=SOURCE | {"channels": channels})
    assert record.faults[0].startswith(fault)


def test_a_table_of_one_s_own_may_say_the_channel(root):
    cells = [{"id": c, "path": "call.wav", "label": "x", "Channel": c} for c in ("0", "1", "2")]
    rows = rows_of([Record("", one) for one in cells], table="t", root=root, naming=Naming())
    manifest = probe_recordings("mine", root, rows)
    assert [(fault.id, fault.reason) for fault in manifest.faults] == [
        ("2", "the channels 0 to 1, but channel 2 was requested")
    ]


def test_a_channel_that_is_no_number_is_told_with_the_way_out(root):
    record = Record("line 2", {"path": "call.wav", "label": "x", "channel": "phone"})
    with pytest.raises(ManifestError, match=r"channel 'phone' is not a number .*NAME=channel"):
        rows_of([record], table="t", root=root, naming=Naming())
    (row,) = rows_of([record], table="t", root=root, naming=Naming({"medium": "channel"}))
    assert (row["medium"], "channel" in row) == ("phone", False)


def test_a_manifest_with_a_channel_that_is_none_is_refused(root):
    row = {"id": "a", "path": "call.wav", "label": "", "channel": "1"}
    row |= dict.fromkeys(("speaker", "sex", "session", "language", "transcript"), "")
    text = probe_recordings("mine", root, [row]).csv_text()
    (root / "m.csv").write_text(text.removesuffix("1\n") + "left\n")
    with pytest.raises(ManifestError, match="line 2: channel = 'left'"):
        read_manifest(root / "m.csv", dataset="mine", root=root)
