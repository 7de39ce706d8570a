import pytest

from tokser.errors import MissingInputError, SettingsError
from tokser.pipeline import load_pipeline

TEXT = """
name: toy
variables: {home: work, epochs: 3}
pool: [{store: "${home}/a.zarr"}]
pretrain: [{store: "${home}/a.zarr", out: "${home}/runs/x", epochs: "${epochs}"}]
classify:
  - {dataset: emodb, store: a.zarr, out: out, grid: {epochs: 5}}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(TEXT)
    return path


def test_variables_are_filled_in_and_keep_their_type(file):
    pipeline = load_pipeline(file)
    assert pipeline.pool[0].store == "work/a.zarr"
    assert pipeline.pretrain[0].epochs == 3


def test_overrides_reach_variables_and_places(file):
    pipeline = load_pipeline(file, ["home=elsewhere", "classify.0.grid.epochs=9", "epochs=4"])
    assert pipeline.pool[0].store == "elsewhere/a.zarr"
    assert pipeline.classify[0].grid.epochs == 9
    assert pipeline.pretrain[0].epochs == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace("epochs: 5", "epoch: 5"), "unknown key 'classify.0.grid.epoch'.*'epochs'"),
        (TEXT.replace("pool:", "pools:"), "unknown key 'pools'.*'pool'"),
        (TEXT.replace("${home}/runs", "${hom}/runs"), r"got '\$\{hom\}'.*'home'"),
        (TEXT.replace("epochs: 5", "epochs: many"), r"classify\.0\.grid\.epochs = 'many'"),
        ("- just\n- a list", "expected stages by name"),
        ("name: [", "expected YAML"),
    ],
)
def test_a_wrong_file_names_the_place_and_what_is_near(tmp_path, text, message):
    path = tmp_path / "toy.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        load_pipeline(path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("hme=x", "nearest known one is 'home'"),
        ("home", "expected key=value"),
        ("classify.3.epochs=1", "a place in the pipeline"),
        ("classify.0.epochs=1", r"unknown key 'classify\.0\.epochs'"),
    ],
)
def test_a_wrong_override_is_refused(file, override, message):
    with pytest.raises(SettingsError, match=message):
        load_pipeline(file, [override])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingInputError, match=r"none\.yaml"):
        load_pipeline(tmp_path / "none.yaml")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "p.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="expected YAML in UTF-8"):
        load_pipeline(tmp_path / "p.yaml")


def test_an_override_that_is_no_yaml_is_refused(tmp_path):
    (tmp_path / "p.yaml").write_text("name: p\nvariables: {workspace: a}\n")
    with pytest.raises(SettingsError, match=r"--set workspace=\[1,: expected YAML"):
        load_pipeline(tmp_path / "p.yaml", ["workspace=[1,"])


def test_variables_that_refer_to_variables_are_refused(tmp_path):
    (tmp_path / "p.yaml").write_text("name: p\nvariables: {a: x, b: '${a}/y'}\n")
    with pytest.raises(SettingsError, match="cannot refer to each other"):
        load_pipeline(tmp_path / "p.yaml")
