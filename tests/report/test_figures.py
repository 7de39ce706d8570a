from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from tokser.report import figures
from tokser.report.layers import LayerCurve
from tokser.report.leakage import Leakage
from tokser.report.tasks import CLASSIFICATION, REGRESSION

UAR, CCC = CLASSIFICATION.headline, REGRESSION.headline


def texts_of(svg: str) -> list[str]:
    return ["".join(e.itertext()).strip() for e in ElementTree.fromstring(svg).iter("text")]


def description_of(svg: str) -> str:
    return ElementTree.fromstring(svg).findtext("desc")


def metrics(num_epochs: int = 4) -> pd.DataFrame:
    epochs = np.arange(num_epochs)
    table = pd.DataFrame({"epoch": epochs, "train_loss": 0.4 - epochs / 20})
    table.loc[0, "train_loss"] = np.nan
    return table.assign(
        dev_match_rate=epochs / 10, dev_match_rate_mismatched=epochs / 20, dev_chance=0.001
    )


def test_leakage_is_labelled_with_name_and_size():
    leakage = [Leakage("whisper/layer-1", 0.9, 0.8), Leakage("<b>", 0.5, 0.52)]
    svg = figures.leakage_figure("EmoDB", UAR, leakage)
    assert {"whisper/layer-1", "<b>", "+10.0", "\N{MINUS SIGN}2.0"} <= set(texts_of(svg))
    assert "80.0 % to 90.0 % (+10.0)" in description_of(svg)
    numbers = figures.leakage_figure("IEMOCAP", CCC, leakage)
    assert "0.80 to 0.90 (+0.10)" in description_of(numbers)


def test_long_names_are_shortened():
    name = f"best({', '.join(f'encoder-{i}/layer-0..12' for i in range(9))})"
    svg = figures.leakage_figure("EmoDB", UAR, [Leakage(name, 0.9, 0.8)])
    (shown,) = [text for text in texts_of(svg) if text.startswith("best(")]
    assert len(shown) < 70
    assert shown.endswith("encoder-8/layer-0..12)")
    assert f"{name}: 80.0 %" in description_of(svg)


def test_leakage_of_equal_scores_can_be_drawn():
    assert "+0.0" in texts_of(figures.leakage_figure("EmoDB", UAR, [Leakage("a", 0.5, 0.5)]))


def curve(low: float) -> LayerCurve:
    layers = {"speaker": (0, 3), "random": (0, 3)}
    uar = {"speaker": (low, 0.9), "random": (low, 0.95)}
    none = ((np.nan, np.nan),) * 2
    ends = {"speaker": ((low - 0.1, low + 0.05), (0.85, 0.93)), "random": none}
    dev = {"speaker": (0.9, 0.8), "random": (np.nan, np.nan)}
    return LayerCurve("wavlm", layers, uar, ends, dev, {"speaker": {0: 7, 3: 3}, "random": {}})


def test_layer_curves_name_axes_units_and_protocols():
    svg = figures.layer_curve("EmoDB", UAR, curve(0.8), 1 / 7)
    assert {"UAR [%]", "Layer (0: embedding output)", "Unseen speakers"} <= set(texts_of(svg))
    assert "layer 3 95.0 %" in description_of(svg)
    assert "of 10 folds, dev selects layer 0 in 7, layer 3 in 3" in description_of(svg)
    assert description_of(svg).count("dev selects") == 1


@pytest.mark.parametrize(("low", "shown"), [(0.2, True), (0.8, False)])
def test_chance_is_drawn_where_the_curves_come_near_it(low, shown):
    assert ("Chance" in texts_of(figures.layer_curve("EmoDB", UAR, curve(low), 1 / 7))) is shown


def test_layer_curves_explain_dotted_lines_rings_and_stamps():
    svg = figures.layer_curve("EmoDB", UAR, curve(0.8), 1 / 7, {"random": "LEAKS SPEAKERS"})
    keys = {"UAR on dev", "Selected on dev", "Random split, LEAKS SPEAKERS"}
    assert keys <= set(texts_of(svg))
    none = {"speaker": (np.nan, np.nan), "random": (np.nan, np.nan)}
    plain = replace(curve(0.8), dev=none, selected={"speaker": {}, "random": {}})
    assert not {"UAR on dev", "Selected on dev"} & set(
        texts_of(figures.layer_curve("EmoDB", UAR, plain, 1 / 7))
    )


def test_convergence_leaves_out_the_row_before_training():
    svg = figures.convergence({"demo": metrics()})
    assert {"Epoch", "Contrastive loss"} <= set(texts_of(svg))
    assert description_of(svg) == "demo, training: from 0.35 to 0.25"


def test_validation_shows_mismatched_speech_and_chance():
    svg = figures.validation({"demo": metrics()})
    assert {"Mismatched speech", "Chance"} <= set(texts_of(svg))
    assert "demo, mismatched speech: from 0 % to 15 %" in description_of(svg)


def test_several_runs_are_told_apart_by_name():
    svg = figures.validation({"a": metrics(), "b": metrics().drop(columns="dev_chance")})
    assert {"a", "b", "Chance"} <= set(texts_of(svg))


def test_one_epoch_many_runs_and_missing_columns_can_be_drawn():
    short = metrics(2)[["epoch", "train_loss", "dev_match_rate"]]
    many = {f"a rather long name of run {i}": short for i in range(14)}
    assert "var(--c1)" in figures.convergence(many)
    assert "Chance" not in texts_of(figures.validation(many))


def test_a_figure_bears_the_stamps_of_its_protocols():
    leak = Leakage("whisper", 0.9, 0.8)
    texts = texts_of(figures.leakage_figure("EmoDB", UAR, [leak], {"random": "LEAKS SPEAKERS"}))
    assert {"Random split, LEAKS SPEAKERS", "Unseen speakers"} <= set(texts)
    stamps = {"speaker": "SPEAKERS UNKNOWN"}
    layers = figures.layer_curve("EmoDB", UAR, curve(0.5), 0.1, stamps)
    assert {"Random split", "Unseen speakers, SPEAKERS UNKNOWN"} <= set(texts_of(layers))
    assert "Unseen speakers, SPEAKERS UNKNOWN: layer 0" in description_of(layers)
