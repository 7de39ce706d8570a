"""`tokser predict`: a trained model on new recordings."""

import sys
from collections.abc import Iterable
from typing import Any

from tokser.cli.options import command, json_option, settings_of, threads_option
from tokser.cli.output import QUARANTINED_EXIT, print_json, show, tell
from tokser.config import PredictSettings

__all__ = ["predict"]


@command(
    example="tokser predict models/emodb my.wav\n"
    "tokser predict models/emodb recordings/ --out predictions.csv\n"
    "tokser predict models/emodb interview.wav --window 4 --hop 1 --plot interview.html"
)
@settings_of(PredictSettings)
@json_option
@threads_option
def predict(given: dict[str, Any], *, as_json: bool) -> None:
    """Predict the emotion of recordings with a trained model.

    MODEL is a folder of `tokser fit`. INPUTS are audio files, folders, manifests (CSV with a column
    path), - for a list of paths on standard input, or a store. The encoders that the model names
    are loaded, and compute what they computed for its training. With --out, the same call goes on
    where it was stopped. Recordings that cannot be read are quarantined: exit code 3.
    """
    settings = PredictSettings.parse(given, where="tokser predict")
    from tokser.stages.predict import predict as run

    found = run(settings, _lines)
    if as_json:
        rows = found.table.astype(object).where(found.table.notna(), None)
        print_json(
            {
                "out": settings.out,
                "predictions": rows.to_dict("records") if settings.out is None else len(rows),
                "quarantined": found.quarantined,
            }
        )
        sys.exit(QUARANTINED_EXIT if found.quarantined else 0)
    from tokser.terminal.manifests import faults_table
    from tokser.terminal.predictions import predictions_table

    if settings.out is None:
        show(predictions_table(found.table))
    else:
        tell(f"{len(found.table):,} predictions -> {settings.out}")
    if settings.plot is not None:
        tell(f"timeline -> {settings.plot}")
    if found.quarantined:
        show(faults_table(found.quarantined))
        sys.exit(QUARANTINED_EXIT)


def _lines() -> Iterable[str]:
    return sys.stdin
