"""`tokser similarity`: how alike the features of a store are."""

from typing import Any

from tokser.cli.options import command, json_option, settings_of, threads_option
from tokser.cli.output import print_json, show, tell
from tokser.config import SimilaritySettings

__all__ = ["similarity"]


@command(
    example="tokser similarity --store workspace/stores/emodb.zarr --out similarity\n"
    "tokser similarity --store workspace/stores/emodb.zarr \\\n"
    "  --features 'whisper-base/layer-*' --out similarity"
)
@settings_of(SimilaritySettings)
@json_option
@threads_option
def similarity(given: dict[str, Any], *, as_json: bool) -> None:
    """Show how alike the features of a store are, layer by layer.

    Linear CKA is 1 for features that are the same but for rotation and scale, 0 for unrelated ones.
    R2 says how much of one feature a ridge regression finds in another, for speakers that it was
    not fitted to. Both over utterances (means over frames) and over frames, with a heat map each.
    """
    settings = SimilaritySettings.parse(given, where="tokser similarity")
    from tokser.stages.similarity import similarity as run

    table = run(settings)
    if as_json:
        print_json({"similarity": table.to_dict("records")})
        return
    from tokser.terminal.probes import similarity_tables

    for one in similarity_tables(table):
        show(one)
    if given.get("out"):
        tell(f"similarity.csv and heat maps -> {given['out']}")
