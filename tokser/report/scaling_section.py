"""The section of the page on how scores grow: `tokser scaling`."""

from collections.abc import Sequence

from tokser.experiments.scaling.table import FITS, SCALING
from tokser.report import naming
from tokser.report.scaling_tables import (
    SIDE_BY_SIDE,
    fits_table,
    overview_table,
    scores_table,
)
from tokser.report.study import Figure, Panel, Study, StudyKind
from tokser.report.table import Table

__all__ = ["SCALE", "scaling_panels"]

_TITLES = {"speakers": "more training speakers", "utterances": "more utterances of each speaker"}
_CAPTION = (
    "Bands (of up to three features): 95 % intervals over test speakers and draws; dotted: the "
    "power law, up to twice as many."
)


def scaling_panels(study: Study, name: str, title: str) -> list[Panel]:
    """Show each curve with its table and its power law."""
    from tokser.report.scaling_figure import name_of_figure, scaling_figures

    fits = study.further[FITS.file]
    figures = scaling_figures(study.table, fits)
    panels = []
    for (target, varied), own in study.table.groupby(["target", "varied"], sort=False):
        of_curves = fits[(fits["target"] == target) & (fits["varied"] == varied)]
        file = naming.file_name("-".join(filter(None, (name, str(target), str(varied)))))
        heading = ": ".join(filter(None, (str(target), _TITLES[str(varied)])))
        drawing = figures[name_of_figure(str(target), str(varied))]
        fitted, folded = fits_table(of_curves, f"{file}-fits"), dict[str, Table]()
        if own["features"].nunique() > SIDE_BY_SIDE:
            scored = overview_table(own, file)
            folded = {
                f"{one}, with intervals": scores_table(
                    own[own["features"] == one], naming.file_name(f"{file}-{one}")
                )
                for one in dict.fromkeys(own["features"])
            }
        else:
            scored = scores_table(own, file)
        shown = [Figure(file, drawing, _CAPTION)]
        panels.append(Panel(heading, figures=shown, tables=[scored], folded=folded))
        panels.append(Panel(f"{heading}: power law", tables=[fitted]))
    return panels


_EXPLANATION: Sequence[str] = (
    "Heads are trained on nested subsets of the training speakers, drawn several times, and "
    "predict the same test speakers. Once the number of speakers varies, each with all utterances; "
    "once the number of utterances of every speaker, with all speakers.",
    "A power law is fitted to each curve: 1 - score = limit + factor · n^(-exponent). It "
    "predicts what twice as many would score, if the new speakers or utterances are like these.",
)
SCALE = StudyKind(
    "scaling",
    SCALING,
    "scores by number of speakers and utterances",
    _EXPLANATION,
    scaling_panels,
    further=(FITS,),
)
