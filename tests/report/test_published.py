import pytest

from tokser.report.published import NUM_TEST, PUBLISHED, published_scores


def is_share_of(percent: float, total: int) -> bool:
    return any(f"{100 * hits / total:.2f}" == f"{percent:.2f}" for hits in range(total + 1))


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row.dataset} {row.features}")
def test_accuracies_are_counts_of_the_test_set_but_for_one(row):
    is_error = (row.dataset, row.features) == ("iemocap", "WavLM")
    assert is_share_of(row.accuracy, NUM_TEST[row.dataset]) is not is_error


def test_the_error_repeats_the_emodb_whisper_row():
    error = next(row for row in published_scores("iemocap") if row.features == "WavLM")
    whisper = next(row for row in published_scores("emodb") if row.features == "Whisper")
    assert (error.accuracy, error.uar) == (whisper.accuracy, whisper.uar)
    assert "error in the paper" in error.remark


def test_rows_are_in_the_order_of_the_paper():
    names = [row.features for row in published_scores("emodb")]
    assert names == ["BERT (Mono)", "BERT (Multi)", "Whisper", "WavLM", "Ours (Multi)"]
    assert len(published_scores("iemocap")) == 6


def test_a_dataset_without_published_scores_has_no_rows():
    assert published_scores("librispeech") == ()
