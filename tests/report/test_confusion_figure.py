import numpy as np

from tokser.report.confusion import Confusion
from tokser.report.confusion_figure import confusion_matrix

FOUND = Confusion(("anger", "fear"), np.array([[8, 2], [1, 19]]))


def test_the_description_has_recalls_and_confusions():
    figure = confusion_matrix("EmoDB, unseen speakers", FOUND)
    assert figure.heading == "EmoDB, unseen speakers"
    assert figure.description == (
        "Recall: anger 80.0 %, fear 95.0 %; anger predicted as fear: 20.0 % of 10"
    )
    assert "var(--c1)" in figure


def test_the_figure_bears_its_stamp():
    assert b"LEAKS SPEAKERS" in confusion_matrix("t", FOUND, "LEAKS SPEAKERS").render("svg")
    assert b"LEAKS SPEAKERS" not in confusion_matrix("t", FOUND).render("svg")
