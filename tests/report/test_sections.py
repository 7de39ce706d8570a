import json

import pytest

from tokser.report.inputs import read_inputs
from tokser.report.sections import find_sections

LAYERS = ("whisper-base/layer-2", "whisper-base/layer-10")


def sections(*folders):
    return find_sections(read_inputs(folders))


def test_each_dataset_and_task_has_one_section(folders):
    paths = [folders.regression(), folders.results(), folders.results("b", dataset="iemocap")]
    found = sections(*paths)
    assert [(section.name, section.title) for section in found] == [
        ("emodb", "EmoDB: emotion classification"),
        ("iemocap", "IEMOCAP: emotion classification"),
        ("iemocap-regression", "IEMOCAP: dimensional emotion"),
    ]
    assert [len(section.parts) for section in found] == [1, 1, 2]
    assert [len(section.published) for section in found] == [2, 2, 0]


def test_every_section_has_verdicts_audit_and_commands(folders):
    for section in sections(folders.results(), folders.regression()):
        assert section.verdicts["random"].stamp == "LEAKS SPEAKERS"
        assert len(section.audit.rows) == 2
        (command,) = section.commands
        assert command.startswith(f"tokser {section.task.tables.command} --dataset")


def test_every_row_has_its_command(folders):
    names = ("whisper-base/layer-2", "whisper-base/layer-10")
    for section in sections(folders.results(features=names), folders.regression(features=names)):
        targets = [f"{part.target}, " if part.target else "" for part in section.parts]
        labels = [label for label, _ in section.row_commands]
        assert labels == [f"{target}{name}" for target in targets for name in names]
    assert "--target arousal" in section.row_commands[0][1]


def test_without_shared_speakers_there_is_no_leakage(folders):
    (section,) = sections(folders.results(protocols=["speaker"]))
    assert section.parts[0].leakage is None
    assert section.parts[0].leakage_figure is None


@pytest.mark.parametrize("kind", ["results", "regression"])
def test_equal_rows_of_two_folders_are_shown_once(folders, kind):
    first, second = (getattr(folders, kind)(name) for name in ("a", "b"))
    (alone,), (both,) = sections(first), sections(first, second)
    for one, part in zip(alone.parts, both.parts, strict=True):
        assert part.table.rows == one.table.rows
        assert len(part.families) == len(one.families)


def test_rows_that_differ_name_their_store_or_folder(folders):
    first = folders.results("a", features=LAYERS)
    second = folders.results("b", features=[*LAYERS, "best(whisper-base/layer-2..10)"])
    (section,) = sections(first, second)
    (part,) = section.parts
    labels = [row[0] for row in part.table.rows]
    assert labels[:2] == [f"a: {name}" for name in LAYERS] and len(labels) == 5
    assert [label for label, _ in part.layer_figures] == ["a: whisper-base", "b: whisper-base"]
    assert {family.source for family, _ in part.families} == {"a", "b"}
    folder_of = {row.label: part.folder_of(row).folder for row, _ in part.scores.rows}
    assert {label[0]: path for label, path in folder_of.items()} == {"a": first, "b": second}
    for folder, store in ((first, "pad4.zarr"), (second, "stores/fit.h5")):
        content = json.loads((folder / "provenance.json").read_text())
        content["settings"]["store"] = store
        (folder / "provenance.json").write_text(json.dumps(content))
    (section,) = sections(first, second)
    assert {row[0].partition(":")[0] for row in section.parts[0].table.rows} == {"pad4", "fit"}


def test_the_papers_tables_are_for_its_corpora_only(folders):
    (section,) = sections(folders.results(dataset="ravdess"))
    assert section.published == []


def test_further_tables_of_two_folders_name_their_folder(folders):
    from tokser.experiments.calibration.tables import RISK

    made = []
    for name, right in (("a", 0.9), ("b", 0.8)):
        folder = folders.results(name)
        row = {"dataset": "emodb", "features": "f", "protocol": "speaker", "classifier": "mlp"}
        row |= {"share_answered": 1.0, "probabilities": "raw", "least_probability": 0.5}
        row |= {"accuracy": right, "n_test": 10, "setup": "", "stamp": ""}
        row |= {"unit": "speaker", "no_interval": "", "num_units": 4}
        frame = RISK.frame([row, row | {"probabilities": "calibrated"}])
        (folder / RISK.file).write_bytes(RISK.content(frame))
        made.append(folder)
    (alone,), (both,) = sections(made[0]), sections(*made)
    assert alone.panels[-1].title == "Accuracy where the model is sure"
    titles = [panel.title for panel in both.panels if panel.figures]
    assert titles == [f"Accuracy where the model is sure: {name}" for name in "ab"]
    assert len({figure.name for one in both.panels for figure in one.figures}) == 2
