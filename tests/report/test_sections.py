import pytest

from tokser.errors import InputError
from tokser.report.inputs import read_inputs
from tokser.report.sections import find_sections


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
def test_a_configuration_in_two_folders_is_refused(folders, kind):
    paths = [getattr(folders, kind)(name) for name in ("a", "b")]
    with pytest.raises(InputError, match="each configuration once"):
        sections(*paths)
