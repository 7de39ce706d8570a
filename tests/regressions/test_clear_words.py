"""Errors that name the thing itself: the utterance, the cell, the permission."""

import errno

import click
import numpy as np
import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner

from tokser.cli.failures import reports_errors
from tokser.corpora.manifest import probe_recordings, read_manifest
from tokser.errors import InputError, StoreMismatchError
from tokser.experiments.regression import Regression
from tokser.store.feature_name import FeatureName
from tokser.store.manifest_difference import manifest_difference

ROW = dict.fromkeys(("speaker", "sex", "session", "language", "transcript", "label"), "")


def test_a_recording_that_was_repaired_says_so(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.wav").touch()
    rows = [{"id": name, "path": f"{name}.wav", **ROW} for name in "abc"]
    probe_recordings("mine", tmp_path, rows).write(tmp_path / "m.csv")
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 16_000)
    (tmp_path / "c.wav").unlink()
    faults = read_manifest(tmp_path / "m.csv", dataset="mine", root=tmp_path).faults
    assert [fault.reason for fault in faults] == [
        "unusable when the manifest was made, usable now: write the manifest again with "
        "`tokser manifest`",
        "an empty file (0 bytes)",
        "no such file",
    ]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_an_input_that_may_not_be_read_is_not_told_as_an_output(number):
    @click.command()
    @reports_errors
    def command():
        raise OSError(number, "Permission denied", "my.csv")

    result = CliRunner().invoke(command)
    assert result.exit_code == 2
    assert "my.csv: expected a file or folder that you may read, or write to" in result.output


@pytest.mark.parametrize(
    ("cells", "got", "remedy"),
    [
        (["3,5", "2"], "valence of a: '3,5'", "Write decimals with a point"),
        (["2", ""], "valence of b: none", "Complete the manifest"),
        (["2", "high"], "valence of b: 'high'", "Complete the manifest"),
    ],
)
def test_what_is_no_number_is_shown(cells, got, remedy):
    table = pd.DataFrame({"valence": cells}, index=["a", "b"])
    with pytest.raises(InputError) as caught:
        Regression(("valence",)).usable(table, splits_are_given=False)
    assert caught.value.got == got
    assert caught.value.remedy.startswith(remedy)


def test_numbers_written_as_text_are_numbers():
    table = pd.DataFrame({"valence": ["3.5", "1e0"]}, index=["a", "b"])
    usable = Regression(("valence",)).usable(table, splits_are_given=False)
    assert list(usable["valence"]) == [3.5, 1.0]


def test_a_changed_label_names_its_utterance(stores):
    stores.complete()
    table = stores.manifest()
    table.loc["utt001", "label"] = "fear"
    with (
        pytest.raises(StoreMismatchError, match=r"utt001: label '\w+' in the store, 'fear' now"),
        stores.writer(table),
    ):
        pass


def test_a_difference_names_columns_and_utterances():
    old = "id,label,age\na,x,1\nb,y,2\n"
    new = "id,label,sex\nb,z,f\nc,y,m\n"
    assert manifest_difference(old, new) == (
        "column age is gone; column sex is new; 1 utterances are gone (a); "
        "1 utterances are new (c); b: label 'y' in the store, 'z' now"
    )
    assert manifest_difference(old, old) == ""


def test_functionals_of_a_name_with_an_at_sign_are_found():
    assert FeatureName.parse("wavlm@v2/layer-6@std").functional == "std"
    assert FeatureName.parse("wavlm@v2/layer-6").functional == ""
