import pytest

from tokser.report.published import NUM_TEST, PUBLISHED, published_scores


def is_share_of(percent: float, total: int) -> bool:
    return any(f"{100 * hits / total:.2f}" == f"{percent:.2f}" for hits in range(total + 1))


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row.dataset} {row.features}")
def test_accuracies_are_whole_counts_of_the_test_part_except_for_the_slip(row):
    is_slip = (row.dataset, row.features) == ("iemocap", "WavLM")
    assert is_share_of(row.accuracy, NUM_TEST[row.dataset]) is not is_slip


def test_the_slip_repeats_the_emodb_whisper_row_and_says_so():
    slip = next(row for row in published_scores("iemocap") if row.features == "WavLM")
    whisper = next(row for row in published_scores("emodb") if row.features == "Whisper")
    assert (slip.accuracy, slip.uar) == (whisper.accuracy, whisper.uar)
    assert "slip" in slip.remark


def test_rows_stand_in_the_reports_order():
    names = [row.features for row in published_scores("emodb")]
    assert names == ["BERT (Mono)", "BERT (Multi)", "Whisper", "WavLM", "Ours (Multi)"]
    assert len(published_scores("iemocap")) == 6


def test_a_dataset_that_the_report_lacks_has_no_rows():
    assert published_scores("librispeech") == ()
