"""The section of the page on how scores grow: `tokser scaling`."""

from collections.abc import Sequence

from tokser.experiments.scaling.table import FITS, SCALING
from tokser.report import naming
from tokser.report.scaling_tables import fits_table, scores_table
from tokser.report.study import Figure, Panel, Study, StudyKind

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
        scored, fitted = scores_table(own, file), fits_table(of_curves, f"{file}-fits")
        tables = [*scored.side_by_side(2), fitted]
        panels.append(Panel(heading, figures=[Figure(file, drawing, _CAPTION)], tables=tables))
    return panels


_EXPLANATION: Sequence[str] = (
    "Heads are trained on nested subsets of the training speakers, drawn several times, and "
    "predict the same test speakers. Once the number of speakers varies, each with all utterances; "
    "once the number of utterances of every speaker, with all speakers.",
    "A power law is fitted to each curve: 1 - score = error limit + factor · n^(-exponent). It "
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
