from tokser.progress import progress_bar


def test_without_a_terminal_the_end_is_said_in_a_line(capsys):
    with progress_bar("pool x", total=3, unit="utterances") as bar:
        bar.advance()
        bar.advance(2)
    assert "pool x: 3/3 utterances" in capsys.readouterr().err
