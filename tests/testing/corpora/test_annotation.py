from tokser.testing.corpora.annotation import (
    Turn,
    categorical_text,
    evaluation_text,
    transcription_text,
)

TURN = Turn(
    id="Ses01F_impro01_F000",
    label="neu",
    text="Excuse me.",
    start_s=6.2901,
    end_s=8.2357,
    ratings=((3, 2, 2), (2, 3, 3)),
)


def test_evaluation_is_written_as_in_the_corpus():
    assert evaluation_text([TURN]) == (
        "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"
        "\n"
        "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\n"
        "C-E2:\tNeutral;\t()\n"
        "C-E3:\tNeutral;\t()\n"
        "C-E4:\tOther;\t()\n"
        "A-E3:\tval 3; act 2; dom  2;\t()\n"
        "A-E4:\tval 2; act 3; dom  3;\t()\n"
        "\n"
    )


def test_transcription_is_written_as_in_the_corpus():
    assert transcription_text([TURN]).splitlines() == [
        "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.",
        "Ses01F_impro01_MXX0 [007.8357-008.2357]: Mmhm.",
        "F: [LAUGHTER]",
    ]


def test_categories_are_written_as_in_the_corpus():
    assert categorical_text([TURN]) == "Ses01F_impro01_F000 :Neutral; ()\n"
