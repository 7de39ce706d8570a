from tokser.report.renderers.markdown import render_markdown


def test_the_best_is_bold_and_special_characters_are_escaped(table):
    lines = render_markdown(table).splitlines()
    assert lines[0] == r"**EmoDB: 100 % of it \& more**"
    assert lines[2] == r"| Features | UAR \[95 %\] | Accuracy | n |"
    assert lines[3] == "| --- | ---: | ---: | ---: |"
    assert lines[4] == r"| a\_b/layer-2 | **86.5 \[83.1, 89.0\]** | 90.0 | 535 |"
    assert lines[5].startswith(r"| x \| y \\ {z}")
    assert r"\<b\>" in lines[5]
    assert r"A \& note." in lines


def test_groups_stand_in_headings(grouped):
    lines = render_markdown(grouped).splitlines()
    assert lines[2].startswith(r"| Features | Unseen speakers: UAR \[95 %\] | Unseen speakers: p |")
    assert lines[4:7] == [
        r"| a | 50.0 \[40.0, 60.0\] | **.01** | 25.0 (3) |",
        "| b |  |  |  |",
        "| All |  | 4 | 0 |",
    ]
    assert "Random split: LEAKS SPEAKERS." in lines
