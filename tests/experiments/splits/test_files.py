import json

import pytest

from tokser.errors import InputError, MissingInputError
from tokser.experiments.splits.files import SplitPlan, format_splits, read_splits
from tokser.experiments.splits.protocols import Split, make_splits

IDS = list("abcdef")
FOLD = {"fold": "x", "train": ["a", "b"], "dev": ["c"], "test": ["d"]}


def written(tmp_path, content):
    path = tmp_path / "splits.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_what_was_written_is_read_again(emodb, tmp_path):
    plans = {
        "speaker": SplitPlan({None: tuple(make_splits("speaker", emodb, seed=0))}),
        "random": SplitPlan({s: tuple(make_splits("random", emodb, seed=s)) for s in (4, 5)}),
    }
    read = read_splits(written(tmp_path, format_splits(plans)), list(emodb.index))
    assert read == plans
    assert read["random"].follows_seed and not read["speaker"].follows_seed
    assert read["random"].folds(5) == plans["random"].by_seed[5]
    assert read["random"].folds(6) == ()
    assert read["speaker"].folds(6) == plans["speaker"].by_seed[None]
    assert len(read["random"].every_fold()) == 2


def test_it_is_plain_json_with_sorted_ids_under_free_names(tmp_path):
    path = written(tmp_path, {"mine": [FOLD | {"train": ["b", "a"]}]})
    assert read_splits(path, IDS)["mine"].folds(0) == (Split("x", ("a", "b"), ("c",), ("d",)),)


def test_former_names_of_protocols_are_read(tmp_path):
    assert list(read_splits(written(tmp_path, {"report": [FOLD]}), IDS)) == ["random"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "no JSON"),
        ([], "no protocol by name"),
        ({"m": {}}, "m: no list of folds"),
        ({"m": [FOLD | {"test": ["d", "z", "y"]}]}, "m, fold 0: unknown ids in test: y, z"),
        ({"m": [FOLD | {"dev": ["a"]}]}, "m, fold 0: in dev and once more: a"),
        ({"m": [FOLD | {"dev": ["c", "c"]}]}, "m, fold 0: in dev and once more: c"),
        ({"m": [FOLD | {"test": []}]}, "`test` is no list of ids"),
        ({"m": [FOLD | {"tset": ["e"]}]}, "m, fold 0: unknown key 'tset'"),
        ({"m": [{"fold": "x", "dev": ["c"]}]}, "m, fold 0: no `train`, no `test`"),
        ({"m": ["x"]}, "m, fold 0: str instead of an object"),
        ({"m": [FOLD | {"dev": None}]}, "m, fold 0: `dev` is no list of ids"),
        ({"m": [FOLD | {"dev_drawn": "maybe"}]}, "`dev_drawn` is neither `speaker` nor `random`"),
        ({"m": [FOLD | {"dev": [], "dev_drawn": "random"}]}, "there is no `dev` beside it"),
        ({"m": [FOLD | {"seed": "one"}]}, "`seed` is no whole number"),
        ({"m": [FOLD, FOLD]}, "m: fold x twice"),
        ({"report": [FOLD], "random": [FOLD]}, "report and random, which are one protocol"),
        ({"m": [FOLD, FOLD | {"fold": "y", "seed": 1}]}, "some folds have a seed"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, told):
    path = written(tmp_path, content)
    with pytest.raises(InputError) as raised:
        read_splits(path, IDS)
    assert str(path) in str(raised.value)
    assert told in str(raised.value)


def test_all_faults_are_told_at_once(tmp_path):
    content = {"m": [FOLD | {"test": ["z"]}], "n": [FOLD | {"train": ["d"]}]}
    with pytest.raises(InputError, match=r"m, fold 0: unknown ids.*n, fold 0: in test and once"):
        read_splits(written(tmp_path, content), IDS)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingInputError, match=r"none\.json"):
        read_splits(tmp_path / "none.json", IDS)


@pytest.mark.parametrize(
    "fold", [FOLD | {"dev": []}, {k: FOLD[k] for k in ("fold", "train", "test")}]
)
def test_a_fold_may_have_no_dev_part(tmp_path, fold):
    plans = read_splits(written(tmp_path, {"m": [fold]}), IDS)
    assert plans["m"].folds(0) == (Split("x", ("a", "b"), (), ("d",)),)
    (told,) = json.loads(format_splits(plans))["m"]
    assert told == {"fold": "x", "train": ["a", "b"], "test": ["d"]}


def test_how_dev_was_drawn_is_written_and_read_again(tmp_path):
    plans = {"m": SplitPlan({None: (Split("x", ("a",), ("b",), ("c",), "random"),)})}
    assert read_splits(written(tmp_path, format_splits(plans)), IDS) == plans
    assert json.loads(format_splits(plans))["m"][0]["dev_drawn"] == "random"
