"""Every declared corpus of docs/corpora.md, on a small tree of its own layout."""

import pytest

from tokser.corpora.declared.catalogue import declarations
from tokser.corpora.declared.names import declared_names
from tokser.corpora.registry import class_names, declaration_of, looks_like, scan_corpus

CODED = {"iemocap", "librispeech"}


def test_every_declared_corpus_has_a_tree(trees):
    assert {*trees} | CODED == {*declared_names()}


def test_a_corpus_is_read_from_its_own_layout(dataset, trees, write_tree, tmp_path):
    write_tree(dataset, tmp_path)
    tree = trees[dataset]
    manifest = scan_corpus(dataset, tmp_path)
    table = manifest.table
    assert manifest.faults == ()
    assert len(table) == tree.get("count", len(tree["recordings"]))
    for utterance, cells in tree["rows"].items():
        assert table.loc[str(utterance), list(cells)].to_dict() == cells, utterance
    assert set(table["label"]) <= {*class_names(dataset), ""}
    assert (table["sampling_rate_hz"] == tree.get("rate", 16_000)).all()
    assert (table["language"] != "").all()


def test_each_subset_keeps_and_labels_its_own(dataset, trees, write_tree, tmp_path):
    write_tree(dataset, tmp_path)
    for subset, labels in trees[dataset].get("subsets", {}).items():
        table = scan_corpus(dataset, tmp_path, subset=subset).table
        assert table["label"].to_dict() == labels, subset


def test_a_corpus_is_recognised_as_no_other(dataset, write_tree, tmp_path):
    write_tree(dataset, tmp_path)
    assert looks_like(tmp_path) == [dataset]


def test_it_is_read_from_the_folder_above_too(dataset, trees, write_tree, tmp_path):
    if trees[dataset].get("only_here"):
        return
    write_tree(dataset, tmp_path / "as unpacked")
    inner, outer = (
        scan_corpus(dataset, root).table for root in (tmp_path / "as unpacked", tmp_path)
    )
    assert inner.drop(columns="path").equals(outer.drop(columns="path"))


@pytest.mark.parametrize("name", declared_names())
def test_a_declaration_says_what_the_list_shows(name):
    declaration = declaration_of(name)
    assert declaration.dataset == name
    for text in (declaration.title, declaration.licence, declaration.citation, declaration.site):
        assert text
    assert declaration.how_to_get.endswith((".", "`"))


@pytest.mark.parametrize("name", declared_names())
def test_declared_counts_agree_with_each_other(name):
    classes = {*declaration_of(name).all_classes}
    for subset in declaration_of(name).subsets.values():
        assert {*subset.labels} <= classes
        if subset.labels:
            assert sum(subset.labels.values()) == subset.num_utterances
        if subset.per_speaker and subset.num_speakers:
            assert subset.per_speaker * subset.num_speakers == subset.num_utterances


def test_a_declaration_is_read_once():
    assert declarations() is declarations()


def test_the_real_copy_of_nemo_has_its_published_labels(real_data):
    table = scan_corpus("nemo", real_data / "data" / "nemo").table
    assert table["label"].value_counts().to_dict() == {
        "neutral": 162,
        "sadness": 155,
        "happiness": 153,
        "anger": 150,
        "fear": 150,
        "surprise": 133,
    }
    assert table["speaker"].nunique() == 9
    assert table["sentence"].nunique() == 18
    assert (table["transcript"] != "").all()
    assert set(table["sex"]) == {"f", "m"}
