"""Each published form on a small tree of its own layout, with the faults that it may have."""

import json

import pandas as pd
import pytest

from tokser.errors import InputError, MissingInputError
from tokser.experiments.splits.published.read import published_digest, read_published


def utterances(*paths, ids=None):
    names = ids or [path.rpartition("/")[2].rpartition(".")[0] for path in paths]
    return pd.DataFrame({"path": list(paths)}, index=pd.Index(names, name="id"))


EMODB = [f"wav/{s}a0{t}Fa.wav" for s in ("03", "08", "09", "10") for t in (1, 2)]


def emobox(folder, *, folds=2, valid=False):
    for number in range(1, folds + 1):
        own = folder / "data" / "emodb" / f"fold_{number}"
        own.mkdir(parents=True)
        parts = {"train": EMODB[:4], "test": EMODB[6:]}
        parts |= {"valid": EMODB[4:6]} if valid else {}
        for part, paths in parts.items():
            lines = [
                json.dumps({"key": f"emodb-{p[4:11]}", "wav": f"downloads/emodb/{p}", "emo": "x"})
                for p in paths
            ]
            (own / f"emodb_{part}_fold_{number}.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "data" / "emodb"


def test_emobox_folds_are_found_by_key_or_recording(tmp_path):
    where = emobox(tmp_path, valid=True)
    table = utterances(*EMODB, ids=[f"emodb-{path[4:11]}" for path in EMODB])
    plan = read_published(where, "emobox", table)["emobox"]
    assert [split.fold for split in plan.every_fold()] == ["1", "2"]
    assert plan.every_fold()[0].dev == ("emodb-09a01Fa", "emodb-09a02Fa")
    for path in where.rglob("*.jsonl"):
        path.write_text(path.read_text().replace('"key": "emodb-', '"key": "'))
    found = read_published(where, "emobox", utterances(*EMODB))["emobox"]
    assert found.every_fold()[0].test == ("10a01Fa", "10a02Fa")


def test_emobox_lines_without_a_key_are_named(tmp_path):
    where = emobox(tmp_path, folds=1)
    with (where / "fold_1" / "emodb_test_fold_1.jsonl").open("a") as file:
        file.write("{}\nno json\n")
    with pytest.raises(InputError, match=r"line 3: no object .*line 4"):
        read_published(where, "emobox", utterances(*EMODB))


IEMOCAP = [
    f"Session{s}/sentences/wav/Ses0{s}F_impro01/Ses0{s}F_impro01_{sex}000.wav"
    for s in range(1, 6)
    for sex in "FM"
]


def test_superb_sessions_have_no_dev(tmp_path):
    for session in range(1, 6):
        own = tmp_path / f"Session{session}"
        own.mkdir()
        test = [path for path in IEMOCAP if path.startswith(own.name)]
        for part, paths in (("train", set(IEMOCAP) - set(test)), ("test", test)):
            content = {"labels": {}, "meta_data": [{"path": p, "label": "neu"} for p in paths]}
            (own / f"{part}_meta_data.json").write_text(json.dumps(content))
    folds = read_published(tmp_path, "superb", utterances(*IEMOCAP))["superb"].every_fold()
    assert [fold.fold for fold in folds] == [f"Session{s}" for s in range(1, 6)]
    assert folds[0].test == ("Ses01F_impro01_F000", "Ses01F_impro01_M000")
    assert not folds[0].dev
    (tmp_path / "Session3" / "test_meta_data.json").write_text('{"meta_data": 3}')
    with pytest.raises(InputError, match=r"Session3/test_meta_data.json: no `meta_data`"):
        read_published(tmp_path, "superb", utterances(*IEMOCAP))


PODCAST = [f"Audios/MSP-PODCAST_000{i}_0001.wav" for i in range(8)]
SETS = ["Train", "Train", "Train", "Development", "Test1", "Test1", "Test2", "Test2"]


@pytest.mark.parametrize("name", ["Partitions.txt", "labels_consensus.csv", "labels_concensus.csv"])
def test_each_test_set_of_msp_podcast_is_a_protocol(tmp_path, name):
    names = [path.rpartition("/")[2] for path in PODCAST]
    if name.endswith(".txt"):
        text = "".join(f"{part}; {own}\n" for part, own in zip(SETS, names, strict=True))
    else:
        text = "FileName,EmoClass,Split_Set\n"
        text += "".join(f"{own},N,{part}\n" for part, own in zip(SETS, names, strict=True))
    (tmp_path / "Labels").mkdir()
    (tmp_path / "Labels" / name).write_text(text)
    plans = read_published(tmp_path, "msp-podcast", utterances(*PODCAST))
    assert list(plans) == ["msp-podcast-test1", "msp-podcast-test2"]
    (split,) = plans["msp-podcast-test2"].every_fold()
    assert split.test == ("MSP-PODCAST_0006_0001", "MSP-PODCAST_0007_0001")
    assert len(split.train) == 3
    assert split.dev == ("MSP-PODCAST_0003_0001",)


def test_emo_superb_folds_are_numbered_files(tmp_path):
    header = "FileName,angry,sad,SpkrID,Split_Set\n"
    for number in (1, 10):
        parts = ["Train", "Train", "Development", "Test"]
        rows = [
            f"{p.rpartition('/')[2]},0.9,0.1,01,{part}\n"
            for p, part in zip(IEMOCAP, parts, strict=False)
        ]
        (tmp_path / f"labels_consensus_{number}.csv").write_text(header + "".join(rows))
    plan = read_published(tmp_path, "emo-superb", utterances(*IEMOCAP))["emo-superb"]
    assert [split.fold for split in plan.every_fold()] == ["1", "10"]
    (tmp_path / "labels_consensus_2.csv").write_text(header + "x.wav,1,0,01,Trian\n")
    with pytest.raises(InputError, match="the part 'Trian'"):
        read_published(tmp_path, "emo-superb", utterances(*IEMOCAP))


MELD = [f"train_splits/dia{i}_utt0.wav" for i in range(3)]
MELD += ["dev_splits_complete/dia0_utt0.wav", "output_repeated_splits_test/dia0_utt0.wav"]


def test_meld_names_utterances_by_part_and_number(tmp_path):
    ids = ["train_dia0_utt0", "train_dia1_utt0", "train_dia2_utt0", "dev_dia0_utt0",
           "test_dia0_utt0"]  # fmt: skip
    for part, number in (("train", 3), ("dev", 1), ("test", 1)):
        rows = [f'{i},"Oh, no",Ross,joy,{i},0\n' for i in range(number)]
        header = "\ufeffSr No.,Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID\n"
        (tmp_path / f"{part}_sent_emo.csv").write_text(header + "".join(rows), encoding="utf-8")
    table = utterances(*MELD, ids=ids)
    (split,) = read_published(tmp_path, "meld", table)["meld"].every_fold()
    assert (split.dev, split.test) == (("dev_dia0_utt0",), ("test_dia0_utt0",))
    # Any of the three files stands for all of them.
    same = tmp_path / "test_sent_emo.csv"
    assert published_digest(same, "meld") == published_digest(tmp_path, "meld")
    same.unlink()
    with pytest.raises(InputError, match=r"no test_sent_emo\.csv"):
        read_published(tmp_path, "meld", table)


def test_recordings_that_the_store_lacks_are_counted(tmp_path, capsys):
    where = emobox(tmp_path)
    read_published(where, "emobox", utterances(*EMODB[1:]))
    assert "1 of 6 recordings are not in the store" in capsys.readouterr().err
    with pytest.raises(InputError, match="test: none of its 2 recordings is in the store"):
        read_published(where, "emobox", utterances(*EMODB[:6]))


def test_a_recording_in_two_parts_is_refused(tmp_path):
    where = emobox(tmp_path, folds=1)
    own = where / "fold_1"
    (own / "emodb_valid_fold_1.jsonl").write_text((own / "emodb_test_fold_1.jsonl").read_text())
    with pytest.raises(InputError, match="emodb-10a01Fa is in dev and test"):
        table = utterances(*EMODB, ids=[f"emodb-{path[4:11]}" for path in EMODB])
        read_published(where, "emobox", table)


@pytest.mark.parametrize("form", ["emobox", "emo-superb", "superb", "msp-podcast", "meld"])
def test_a_folder_without_such_files_is_named(tmp_path, form):
    with pytest.raises(MissingInputError, match="got no such files"):
        read_published(tmp_path, form, utterances(*EMODB))
    with pytest.raises(MissingInputError, match="got nothing"):
        read_published(tmp_path / "none", form, utterances(*EMODB))


def test_a_name_that_two_utterances_have_is_refused(tmp_path):
    where = emobox(tmp_path, folds=1)
    for path in where.rglob("*.jsonl"):
        path.write_text(path.read_text().replace('"key": "emodb-', '"key": "'))
    twice = ["a/03a01Fa.wav", "b/03a01Fa.wav", *EMODB[1:]]
    table = utterances(*twice, ids=[f"u{i}" for i in range(len(twice))])
    with pytest.raises(InputError, match="03a01Fa may be u0, u1"):
        read_published(where, "emobox", table)
