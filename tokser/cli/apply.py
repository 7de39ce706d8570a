"""`tokser apply`: tuned blocks applied to a store."""

from typing import Any

from tokser.cli.options import command, settings_of, threads_option
from tokser.cli.output import tell
from tokser.config import ApplySettings

__all__ = ["apply"]


@command(
    example="tokser apply --store workspace/stores/emodb.zarr \\\n"
    "  --checkpoint workspace/results/emodb-tuned/folds/attentive-speaker-seed-0-03"
)
@settings_of(ApplySettings)
@threads_option
def apply(given: dict[str, Any]) -> None:
    """Add the layers of tuned blocks to a store.

    They become features like any others: RUN/layer-5, RUN/layer-6. The blocks have seen the labels
    of the utterances that they were tuned on, so an experiment that tests any of these on them is
    marked LEAKS LABELS.
    """
    settings = ApplySettings.parse(given, where="tokser apply")
    from tokser.stages.apply import apply as run

    features = run(settings)
    tell(f"{given['store']}: {', '.join(features)}")
