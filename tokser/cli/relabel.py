"""`tokser relabel`: a new manifest with labels as they were decided."""

from typing import Any

from tokser.cli.options import command, json_option, settings_of
from tokser.cli.output import print_json, tell
from tokser.config import RelabelSettings

__all__ = ["relabel"]


@command(
    example="tokser relabel decisions.csv --store workspace/stores/emodb.zarr --out corrected.csv"
)
@settings_of(RelabelSettings)
@json_option
def relabel(given: dict[str, Any], *, as_json: bool) -> None:
    """Write a new manifest with the labels that DECISIONS say.

    A changed label is replaced, a removed one is empty: `tokser classify` leaves its utterance
    out. The new columns former_label and decision say what was there, and what was decided. Then
    `tokser store update STORE --manifest OUT` takes the labels into the store.
    """
    settings = RelabelSettings.parse(given, where="tokser relabel")
    from tokser.stages.relabel import relabel as run

    done = run(settings)
    if as_json:
        counts = {"kept": done.num_kept, "changed": done.num_changed, "removed": done.num_removed}
        print_json({"out": given["out"], **counts})
        return
    tell(
        f"{done.num_changed} labels changed, {done.num_removed} removed, {done.num_kept} kept "
        f"-> {given['out']}"
    )
