"""Small texts that stand for gigabytes are refused before they are written out."""

import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.cli.options import key_values
from tokser.config import ClassifySettings, SweepSettings
from tokser.errors import SettingsError
from tokser.experiments.feature_expressions import parse
from tokser.pipeline import load_pipeline
from tokser.pretrain.sweep import runs_of
from tokser.provenance import STAMP_NAME, Stamp
from tokser.scheduling import load_cluster
from tokser.yaml_file import parse_yaml

KNOWN = [f"whisper-base/layer-{number}" for number in range(7)] + ["bert/contextual"]


def bomb(depth=11, width=9):
    lines = [f"a0: &a0 [{','.join(['x'] * width)}]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * width)}]" for i in range(1, depth)]
    return "\n".join(lines)


TOO_MUCH = {
    "aliases": (f"kind: local\n{bomb()}", "more than 5,000 values"),
    "merge keys": (bomb().replace("[", "{k: [").replace("]", "]}"), "expected YAML"),
    "itself": ("kind: &a [*a]", "stands for itself"),
    "unknown anchor": ("kind: *a", "stands for itself or for nothing"),
    "lists": ("kind: " + "[" * 5_000, "nested more than 50 deep"),
    "mappings": ("{a: " * 5_000, "nested more than 50 deep"),
    "keys": ("? " * 5_000, "nested more than 50 deep"),
    "long": ("kind: [" + "1," * 6_000 + "]", "more than 5,000 values"),
    "number": ("kind: " + "9" * 5_000, "expected YAML"),
    "date": ("kind: 2020-13-45", "expected YAML"),
    "wrong tags": ("kind: !!bool perhaps", "expected YAML"),
    "no number": ("kind: !!int ''", "expected YAML"),
    "no time": ("kind: !!timestamp soon", "expected YAML"),
    "code": ("kind: !!python/object/apply:os.getcwd []", "expected YAML"),
    "numbers as keys": ("1: 2", "expected"),
}


@pytest.mark.parametrize(("text", "told"), TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_yaml_is_counted_before_it_is_built(tmp_path, text, told):
    file = tmp_path / "x.yaml"
    file.write_text(text)
    for read in (load_cluster, load_pipeline):
        with pytest.raises(SettingsError) as caught:
            read(file)
        assert told in str(caught.value)
        assert len(str(caught.value)) < 2_000


def test_a_large_file_is_not_read(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(SettingsError, match="at most 1,000,000 bytes, got 1,000,001"):
        load_cluster(tmp_path / "x.yaml")


def test_aliases_that_people_write_are_read():
    text = "a: &a {x: [1, 2]}\nb: {<<: *a, y: 3}\nc: [*a, *a]"
    once = {"x": [1, 2]}
    assert parse_yaml(text, where="x") == {"a": once, "b": once | {"y": 3}, "c": [once, once]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "name: x\nvariables: 5",
        "name: x\nvariables: {a: [" + "1," * 900 + "]}\nextract: [" + "${a}," * 900 + "]",
        "name: x\nvariables: {a: " + "y" * 9_000 + "}\nextract: '" + "${a}" * 9_000 + "'",
        "name: x\nextract: [" + "{z: 1}," * 1_000 + "]",
    ],
    ids=["no names", "lists", "texts", "faults"],
)
def test_variables_and_faults_of_a_pipeline_do_not_multiply(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_pipeline(tmp_path / "x.yaml")
    assert len(str(caught.value)) < 5_000


@pytest.mark.parametrize("value", [bomb().replace("\n", ", "), "[" * 5_000, "9" * 5_000, "[1"])
def test_values_of_options_are_counted_too(tmp_path, value):
    (tmp_path / "x.yaml").write_text("name: x\nvariables: {a: 1}\n")
    with pytest.raises(SettingsError, match="--set a="):
        load_pipeline(tmp_path / "x.yaml", [f"a={value}"])
    with pytest.raises(SettingsError, match="--option a="):
        key_values([f"a={value}"], "--option")


@pytest.mark.parametrize("override", ["name.x=1", f"classify.{'9' * 5_000}.x=1", "classify.-1=2"])
def test_places_that_are_none_are_refused(tmp_path, override):
    (tmp_path / "x.yaml").write_text("name: x\nclassify: [{}]\n")
    with pytest.raises(SettingsError, match="a place in the pipeline"):
        load_pipeline(tmp_path / "x.yaml", [override])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("whisper-base/layer-0..999999999", r"the range 0\.\.999999999"),
        ("whisper-base/layer-1.." + "9" * 5_000, "the range 1.."),
        ("whisper-base/layer-0..1000", "at most 1,000 numbers"),
        ("*+*+*+*+*+*", r"262,144 sums"),
        ("+".join("*" * 200), "more sums"),
        ("mean(*+*+*+*+*+*, bert/contextual)", r"262,144 sums"),
        ("a" * 20_001, "20,001 characters"),
        ("(" * 5_000, "got"),
    ],
)
def test_feature_expressions_are_counted(text, told):
    with pytest.raises(SettingsError, match=told) as caught:
        parse(text, KNOWN)
    assert len(str(caught.value)) < 2_000


def test_expressions_that_people_write_are_read():
    assert len(parse("whisper-base/layer-0..6", KNOWN)) == 7
    assert len(parse("* + *", KNOWN)) == 64


BASE = ["classify", "--dataset", "x", "--store", "none.zarr"]


@pytest.mark.parametrize(
    "call",
    [
        ["--seeds", "9" * 400],
        ["--seeds", "1000000000"],
        ["--folds", "1000000000"],
        ["--seed", "4294967296"],
        ["--grid", "lr=1e999"],
        ["--grid", "lr=nan"],
        ["--grid", "hidden=1000000000"],
        ["--grid", "batch_size=" + "9" * 5_000],
        ["--grid", "batch_size=" + ",".join("1" * 200)],
        ["--grid", "lr" * 5_000 + "=1"],
        ["--epochs", "99999999999999999999"],
    ],
    ids=lambda call: " ".join(call)[:30],
)
def test_absurd_numbers_are_refused_before_anything_is_read(call):
    result = CliRunner().invoke(main, [*BASE, *call])
    assert result.exit_code == 2
    assert "none.zarr" not in result.output
    assert len(result.output) < 2_000


def test_a_sweep_of_too_many_runs_is_refused_before_expansion(tmp_path):
    grid = {name: list(range(1, 101)) for name in ("epochs", "batch_size", "seed", "patience")}
    pretrain = {"store": "x.zarr"}
    sweep = SweepSettings(name="x", out=tmp_path, pretrain=pretrain, grid=grid)
    with pytest.raises(SettingsError, match="at most 1,000 runs, got 100,000,000"):
        next(runs_of(sweep, where="x.yaml"))


def test_hidden_widths_are_bounded():
    values = {"dataset": "x", "store": "x", "out": "x"}
    with pytest.raises(SettingsError):
        ClassifySettings.parse(values | {"grid": {"hidden": [1] * 33}}, where="x")
    found = ClassifySettings.parse(values | {"grid": {"hidden": [[], [8]]}}, where="x")
    assert found.grid.hidden == ((), (8,))


def test_a_stamp_nested_without_end_is_a_damaged_one(tmp_path):
    stamp = Stamp("classify", {}, {})
    (tmp_path / STAMP_NAME).write_text("[" * 200_000)
    assert not stamp.marks(tmp_path)
