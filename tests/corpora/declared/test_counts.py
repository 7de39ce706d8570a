from tokser.corpora.completeness import completeness
from tokser.corpora.declared.catalogue import shipped_declaration


def write_speech(root, *, but=()):
    for actor in range(1, 25):
        folder = root / f"Actor_{actor:02d}"
        folder.mkdir(parents=True)
        for emotion in range(1, 9):
            for intensity in (1,) if emotion == 1 else (1, 2):
                for statement in (1, 2):
                    for take in (1, 2):
                        parts = (3, 1, emotion, intensity, statement, take, actor)
                        name = "-".join(f"{part:02d}" for part in parts)
                        if name not in but:
                            (folder / f"{name}.wav").touch()


def test_a_part_that_is_whole_lacks_nothing(tmp_path):
    write_speech(tmp_path)
    found = completeness("ravdess", tmp_path)
    assert (found.num_utterances, found.parts, found.lacks) == (1440, "speech", ())


def test_a_missing_recording_is_told_by_class_and_speaker(tmp_path):
    write_speech(tmp_path, but=("03-01-05-01-01-01-07",))
    found = completeness("ravdess", tmp_path)
    assert found.lacks == (
        "speech: 1,439 of 1,440 utterances",
        "speech: anger: 191 of 192",
        "speech: speakers without 60 utterances: 07 (59)",
    )


def test_the_real_copy_of_nemo_is_a_part_of_it(real_data):
    found = completeness("nemo", real_data / "data" / "nemo")
    assert found.num_utterances == 903
    assert found.lacks[0] == "903 of 4,481 utterances"
    labels = shipped_declaration("nemo").whole.labels
    assert f"surprise: 133 of {labels['surprise']}" in found.lacks


def test_what_is_left_out_is_not_said_twice(tmp_path, capsys):
    write_speech(tmp_path)
    (tmp_path / "Actor_01" / "notes.wav").touch()
    completeness("ravdess", tmp_path)
    assert capsys.readouterr().err == ""
