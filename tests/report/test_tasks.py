from tokser.report.tasks import TASKS


def test_every_reported_score_is_a_column_of_the_results():
    for task in TASKS:
        names = (task.tables.summary or task.tables.scores).names
        assert {metric.column for metric in task.metrics} <= set(names)
        assert task.headline.column == task.tables.metric
        assert {f"{task.headline.column}_low", f"{task.headline.column}_high"} <= set(names)
        assert task.chance is None or task.chance in names


def test_scores_are_written_in_their_units():
    classification, distribution, multilabel, regression = (task.headline for task in TASKS)
    assert (distribution.text(0.5), distribution.axis) == ("50.0 %", "Macro-F1 [%]")
    assert multilabel.text(0.5) == "50.0 %"
    assert (classification.text(0.5), classification.axis) == ("50.0 %", "UAR [%]")
    assert (regression.text(0.5), regression.axis) == ("0.50", "CCC")
    assert classification.unit_of_difference == "points of UAR"
