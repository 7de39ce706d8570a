"""`tokser labels`: which labels of a corpus are doubtful."""

from pathlib import Path
from typing import Any

from tokser.cli.options import command, json_option, settings_of, threads_option
from tokser.cli.output import print_json, show, tell
from tokser.config import LabelsSettings

__all__ = ["labels"]


@command(
    example="tokser labels --store workspace/stores/emodb.zarr --out doubtful\n"
    "tokser labels --results workspace/results/emodb --head mlp --out doubtful"
)
@settings_of(LabelsSettings)
@json_option
@threads_option
def labels(given: dict[str, Any], *, as_json: bool) -> None:
    """Show which labels are doubtful, and write a page to hear them and to decide.

    Every label is compared with the prediction of a model that was not trained on its speaker
    (confident learning, needs tokser[labels]), with the labels of the nearest utterances, and with
    the annotators where the manifest has them. The page exports decisions as a CSV, of which
    `tokser relabel` makes a new manifest.
    """
    settings = LabelsSettings.parse(given, where="tokser labels")
    from tokser.stages.labels import labels as run

    audit = run(settings)
    if as_json:
        print_json(
            {
                "doubtful": audit.doubtful.to_dict("records"),
                "label_noise": audit.noise.to_dict("records"),
                "expected_errors": audit.expected_errors,
                "flagged": audit.num_flagged,
            }
        )
        return
    from tokser.report.doubtful_labels import doubtful_table, label_noise_table
    from tokser.report.renderers.terminal import render_terminal

    title = Path(given.get("store") or given["results"]).stem
    show(render_terminal(doubtful_table(audit.doubtful, "doubtful", title, is_narrow=True)))
    show(render_terminal(label_noise_table(audit.noise, "label-noise", title)))
    counts = ", ".join(f"{number} by {name}" for name, number in audit.num_flagged.items())
    tell(f"{len(audit.doubtful):,} labels; flagged: {counts}")
    if given.get("out"):
        tell(f"doubtful.csv, label-noise.csv and doubtful.html -> {given['out']}")
