"""Real encoders on a corpus that changes: only what is new or corrected is computed."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

import tokser
from tokser.cli import main
from tokser.config import AlignSettings, ExtractSettings, PoolSettings
from tokser.corpora.manifest import read_manifest
from tokser.encoders.bert import BertTextEncoder
from tokser.encoders.whisper import WhisperSpeechEncoder
from tokser.errors import StoreIncompleteError
from tokser.pretrain.checkpoint import AlignerDescription, save_aligner
from tokser.pretrain.variants import build_aligner
from tokser.stages.align import align
from tokser.stages.extract import extract
from tokser.stages.pool import pool
from tokser.store import Store, num_bytes_to_verify, open_store, verify_store

pytestmark = pytest.mark.slow

WORDS = ["so ist das", "und dann noch mehr davon", "das ist neu", "ja", "dann ist es so"]


@pytest.fixture
def corpus(tmp_path) -> Path:
    """Five recordings of noise with a manifest of the first three."""
    rng = np.random.default_rng(0)
    for number in range(5):
        samples = rng.normal(0, 0.1, 6_000 + 9_000 * number)
        soundfile.write(tmp_path / f"{number}.wav", samples, 16_000)
    write(tmp_path, [(f"u{n}", n, WORDS[n], "ab"[n % 2]) for n in (0, 2, 3)])
    return tmp_path


def write(folder: Path, rows) -> None:
    head = "id,path,num_samples,sampling_rate_hz,speaker,sex,session,language,transcript,label\n"
    lines = [
        f"{name},{n}.wav,{6_000 + 9_000 * n},16000,s{n % 2},,,de,{text},{label}\n"
        for name, n, text, label in rows
    ]
    (folder / "m.csv").write_text(head + "".join(lines))


def settings(corpus, tiny, suffix, **changes) -> ExtractSettings:
    values = {
        "dataset": "own",
        "root": corpus,
        "manifest": corpus / "m.csv",
        "store": str(corpus / f"s{suffix}"),
        "encoders": (str(tiny / "tiny-whisper"), str(tiny / "tiny-bert")),
    }
    return ExtractSettings(**values | changes)


def encoded(monkeypatch) -> list[int]:
    """Count the utterances of every batch."""
    counts: list[int] = []
    for encoder in (WhisperSpeechEncoder, BertTextEncoder):
        plain = encoder.prepare

        def prepare(self, inputs, plain=plain):
            counts.append(len(inputs))
            return plain(self, inputs)

        monkeypatch.setattr(encoder, "prepare", prepare)
    return counts


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_only_new_and_corrected_utterances_are_encoded(corpus, tiny, suffix, monkeypatch):
    live = settings(corpus, tiny, suffix)
    extract(live)
    pool(PoolSettings(store=live.store))
    rows = [(f"u{n}", n, WORDS[n], "ab"[n % 2]) for n in range(5)]
    write(corpus, rows)
    counts = encoded(monkeypatch)
    assert extract(live).num_encoded == 4  # two recordings, two transcripts
    assert sum(counts) == 4
    rows[2] = ("u2", 2, "ganz andere worte als zuvor", "c")
    write(corpus, rows)
    shown = CliRunner().invoke(
        main, ["store", "update", live.store, "--manifest", str(corpus / "m.csv"), "--dry-run"]
    )
    assert shown.exit_code == 0, shown.output
    assert "transcript: 1 utterances (u2)" in shown.output
    assert "tiny-bert/contextual: 1 utterances to be computed (u2)" in shown.output
    assert "\ntiny-whisper" not in shown.output  # its functionals wait for `pool`
    done = CliRunner().invoke(
        main, ["store", "update", live.store, "--manifest", str(corpus / "m.csv")]
    )
    assert done.output.replace("\n", " ").strip().endswith("version 3 of the table")
    counts.clear()
    assert extract(live).num_encoded == 1
    assert counts == [1]
    pool(PoolSettings(store=live.store))
    store = tokser.open_store(live.store)
    assert store.ids == ["u0", "u2", "u3", "u1", "u4"]
    assert store.utterances.loc["u2", "label"] == "c"
    assert verify_store(store).is_whole
    assert not verify_store(store).outdated
    fresh = settings(corpus, tiny, suffix, store=str(corpus / f"fresh{suffix}"))
    extract(fresh)
    pool(PoolSettings(store=fresh.store))
    wanted = tokser.open_store(fresh.store)
    assert store.features == wanted.features
    for feature in wanted.features:
        for name in wanted.ids:
            np.testing.assert_allclose(
                store[feature][name].astype(float),
                wanted[feature][name].astype(float),
                rtol=2e-2,
                atol=2e-2,
            )
    assert extract(live).num_encoded == 0


def aligner_for(store: Store, folder: Path) -> Path:
    """Write an untrained aligner for the features of a store."""
    features = {
        "speech": "tiny-whisper/layer-2",
        "queries": "tiny-bert/word",
        "teacher": "tiny-bert/contextual",
    }
    dims = store[features["teacher"]].dim, store[features["speech"]].dim
    description = AlignerDescription(
        name=folder.name,
        variant="paper",
        text_dim=dims[0],
        speech_dim=dims[1],
        special_tokens=True,
        features=features,
        provenance={role: store[name].provenance for role, name in features.items()},
        best_epoch=1,
        scores={},
    )
    torch.manual_seed(0)
    save_aligner(folder, build_aligner("paper", *dims, 1, {}).state_dict(), description)
    return folder


def align_and_pool(store: str, run: Path) -> Store:
    align(AlignSettings(store=store, checkpoint=run, device="cpu"))
    pool(PoolSettings(store=store, functionals=("max",)))
    return open_store(store, check=True)


DERIVED = ("run/aligned", "functionals/run/aligned", "functionals/tiny-whisper/layer-2@max")


def rows_of(store: Store) -> dict[tuple[str, str], np.ndarray]:
    return {(name, id_): store[name][id_].copy() for name in DERIVED for id_ in store.ids}


def derived_files(folder: Path) -> dict[Path, bytes]:
    """All files of the derived groups but their documents, which count the parts."""
    groups = [folder / "run", folder / "functionals" / "run", folder / "functionals" / "tiny-bert"]
    files = [file for group in groups for file in group.rglob("*") if file.is_file()]
    documents = [group / name for group in groups for name in ("zarr.json", "group.json")]
    return {file: file.read_bytes() for file in files if file not in documents}


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_align_and_pool_compute_only_what_a_grown_store_lacks(corpus, tiny, suffix):
    live = settings(corpus, tiny, suffix)
    extract(live)
    run = aligner_for(tokser.open_store(live.store), corpus / "run")
    before = align_and_pool(live.store, run)
    old, files = rows_of(before), derived_files(Path(live.store))
    write(corpus, [(f"u{n}", n, WORDS[n], "ab"[n % 2]) for n in (0, 2, 3, 1, 4)])
    extract(live)
    grown = tokser.open_store(live.store)
    assert [grown[name].is_complete for name in DERIVED] == [False] * 3
    with pytest.raises(StoreIncompleteError, match="Run the same `tokser align` again"):
        grown["run/aligned"]["u4"]
    store = align_and_pool(live.store, run)
    assert store["run/aligned"].ids == store.ids == ["u0", "u2", "u3", "u1", "u4"]
    found = rows_of(store)
    assert {key: rows.tobytes() for key, rows in found.items() if key in old} == {
        key: rows.tobytes() for key, rows in old.items()
    }
    assert derived_files(Path(live.store)).items() >= files.items()
    fresh = settings(corpus, tiny, suffix, store=str(corpus / f"fresh{suffix}"))
    extract(fresh)
    wanted = rows_of(align_and_pool(fresh.store, run))
    for key, rows in wanted.items():
        np.testing.assert_allclose(found[key].astype(float), rows.astype(float), atol=2e-2)
    assert not verify_store(store).outdated
    counted: list[int] = []
    assert verify_store(store, counted.append).is_whole
    assert sum(counted) == num_bytes_to_verify(store)


def test_a_lookup_of_a_grown_store_has_a_record_per_utterance(corpus, tiny):
    live = settings(corpus, tiny, ".zarr")
    extract(live)
    write(corpus, [(f"u{n}", n, WORDS[n], "ab"[n % 2]) for n in (0, 2, 3, 1, 4)])
    extract(live)
    store = tokser.open_store(live.store)
    word = store["tiny-bert/word"]
    assert list(word.records()) == store.ids
    assert word.is_complete
    assert {id_: len(word[id_]) for id_ in word.ids} == word.lengths.to_dict()


def test_removal_from_the_command_line(corpus, tiny):
    live = settings(corpus, tiny, ".zarr")
    extract(live)
    (corpus / "gone.txt").write_text("u2\n\n")
    command = ["store", "remove", live.store, "--ids", str(corpus / "gone.txt")]
    shown = CliRunner().invoke(main, [*command, "--dry-run"])
    assert "1 utterances would be removed" in shown.output
    assert CliRunner().invoke(main, command).exit_code == 0
    store = tokser.open_store(live.store)
    assert store.ids == ["u0", "u3"]
    assert verify_store(store).is_whole
    text = read_manifest(corpus / "m.csv", dataset="own", root=corpus).csv_text()
    assert "u2" in text
    refused = CliRunner().invoke(main, ["store", "remove", live.store])
    assert refused.exit_code == 2
    assert "expected one of both" in refused.output
    info = CliRunner().invoke(main, ["store", "info", live.store, "--json"])
    assert '"num_utterances": 1' in info.output
