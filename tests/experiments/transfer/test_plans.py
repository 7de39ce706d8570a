import pandas as pd
import pytest

from tokser.experiments.classification import Classification
from tokser.experiments.transfer.plans import plan_matrix


def utterances(corpora, speakers=4):
    rows = [
        {
            "id": f"{corpus}/{i}",
            "corpus": corpus,
            "label": "xy"[i % 2],
            "speaker": f"{corpus}/{(i // 2) % speakers}",
            "session": "",
        }
        for corpus in corpora
        for i in range(24)
    ]
    return pd.DataFrame(rows).set_index("id")


def test_cells_are_within_across_and_from_all_others():
    _, cells = plan_matrix(utterances("abc"), Classification(), [0])
    kinds = [cell.kind for cell in cells]
    assert {k: kinds.count(k) for k in kinds} == {"within": 3, "across": 6, "others": 3}
    assert not [c for c in plan_matrix(utterances("ab"), Classification(), [0])[1]
                if c.kind == "others"]  # fmt: skip


def test_nothing_of_the_test_corpus_is_in_train_or_dev():
    table = utterances("abc")
    plans, cells = plan_matrix(table, Classification(), [0, 1])
    for cell in cells:
        for split in plans[cell.protocol].every_fold():
            seen = {name[0] for name in (*split.train, *split.dev)}
            assert seen == set(cell.train)
            assert {name[0] for name in split.test} == {cell.test}
            if cell.kind != "within":
                assert len(split.test) == 24
                speakers = table["speaker"]
                assert not {*speakers[list(split.train)]} & {*speakers[list(split.dev)]}
                assert {name[0] for name in split.dev} == set(cell.train)


@pytest.mark.parametrize("speakers", [["", ""], ["a/1", "a/2"]])
def test_a_corpus_without_speakers_has_no_diagonal(speakers, capsys):
    table = utterances("ab")
    own = table["corpus"].eq("a")
    table.loc[own, "speaker"] = [speakers[i % 2] for i in range(own.sum())]
    _, cells = plan_matrix(table, Classification(), [0])
    assert "within-a" not in [cell.protocol for cell in cells]
    assert "a is not scored within itself" in capsys.readouterr().err
