"""`tokser corpora`: the corpora that tokser knows, and which of them are there."""

from pathlib import Path

from tokser.cli.options import (
    command,
    json_option,
    places_option,
    workspace_option,
    workspace_or_default,
)
from tokser.cli.output import print_json, show

__all__ = ["corpora"]


@command(example="tokser corpora --corpora /data")
@workspace_option
@places_option
@json_option
def corpora(workspace: Path | None, places: tuple[Path, ...], *, as_json: bool) -> None:
    """List the corpora that tokser knows, and which of them are there.

    Each is declared in a YAML file, of tokser or of a package that registers it; `tokser manifest
    DATASET` and `tokser extract --dataset DATASET` read it. With --json also the classes, subsets,
    citations, and how each is obtained. `tokser doctor` counts what is there.
    """
    from tokser.stages.corpora import corpora as known_corpora

    known = known_corpora(workspace_or_default(workspace), places)
    if as_json:
        print_json({"corpora": known})
    else:
        from tokser.terminal.installation import corpora_table

        show(corpora_table(known))
