import pytest

from tokser.report.catalogue import figures_of, tables_of
from tokser.report.inputs import read_inputs
from tokser.report.sections import find_sections

WHISPER = [f"whisper-base/layer-{layer}" for layer in (10, 2, 0)]
WAVLM = [f"wavlm/layer-{layer}" for layer in range(13)]


@pytest.fixture(scope="module")
def part(make_folders):
    folders = make_folders()
    (section,) = find_sections(read_inputs([folders.results(features=[*WHISPER, *WAVLM])]))
    return section.parts[0]


def test_layers_of_two_encoders_are_side_by_side(part):
    panel = part.layer_map
    assert [figure.name for figure in panel.figures] == [
        "emodb-layer-map-speaker",
        "emodb-layer-map-random",
    ]
    assert all(figure.is_wide for figure in panel.figures)
    table = panel.folded["As a table: Unseen speakers"]
    assert table.headings == ("Layer", "wavlm", "whisper-base")
    assert [row[0] for row in table.rows] == [str(layer) for layer in range(13)]
    scores = {row.features: found["speaker"].value for row, found in part.scores.rows}
    for layer, wavlm, whisper in table.rows:
        assert wavlm.value == scores[f"wavlm/layer-{layer}"]
        assert wavlm.is_best == (wavlm.value == max(scores[name] for name in WAVLM))
        assert (whisper is None) == (f"whisper-base/layer-{layer}" not in scores)


def test_the_caption_says_what_colours_mean(part):
    speaker, random = (figure.caption for figure in part.layer_map.figures)
    values = sorted(found["speaker"].value for _, found in part.scores.rows)
    low, high = (f"{100 * value:.1f}" for value in (values[0], values[-1]))
    assert f"No colour: {low}, the lowest; full colour: {high}, the highest" in speaker
    assert "LEAKS SPEAKERS" in random
    assert "whisper-base: layer 0 " in part.layer_map.figures[0].drawing.description


def test_one_encoder_alone_has_a_curve_and_no_map(folders):
    (section,) = find_sections(read_inputs([folders.results(features=[*WHISPER, "wavlm/layer-1"])]))
    assert section.parts[0].layer_figures
    assert section.parts[0].layer_map is None


def test_heads_and_targets_have_maps_of_their_own(folders):
    results = folders.results(features=WHISPER, classifiers=["mlp", "svm"], protocols=["speaker"])
    numbers = folders.regression(features=[*WHISPER, *WAVLM])
    read = read_inputs([results, numbers])
    sections = find_sections(read)
    names = [name for name in figures_of(sections, []) if "layer-map" in name]
    assert names == [
        "emodb-layer-map-speaker",
        *(
            f"iemocap-{t}-layer-map-{p}"
            for t in ("arousal", "valence")
            for p in ("speaker", "random")
        ),
    ]
    assert set(names) < {table.name for table in tables_of(sections, read)}
    table = sections[0].parts[0].layer_map.folded["As a table: Unseen speakers"]
    assert table.headings == ("Layer", "whisper-base · mlp", "whisper-base · svm")
