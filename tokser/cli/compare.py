"""`tokser compare`: how much features of two stores differ."""

from tokser.cli.options import command, json_option, option, store_argument
from tokser.cli.output import print_json, show

__all__ = ["compare"]


@command(example="tokser compare padded.zarr fitted.zarr --features whisper-base/layer-6")
@store_argument("store_a")
@store_argument("store_b")
@option(
    "--features",
    topic="Input",
    metavar="NAME,...",
    default="all",
    default_text="all that both have",
    help="Names in STORE_A with commas between, or NAME=OTHER where it differs in STORE_B.",
)
@json_option
def compare(store_a: str, store_b: str, features: str, *, as_json: bool) -> None:
    """Show how much features of STORE_A and STORE_B differ.

    Utterances are joined by their ids. Shown are the cosine of each row and its counterpart (its
    mean and its 5th percentile), the relative L2 distance |a - b| / |a| of all rows, of the
    utterances' means and of their standard deviations, and by how much a mean or standard
    deviation changes, in its standard deviations over STORE_A's utterances, as a classifier on
    standardised features has it.
    """
    from tokser.stages.compare import compare as run
    from tokser.terminal.stores import differences_table

    found = run(store_a, store_b, () if features == "all" else features.split(","))
    if as_json:
        print_json({"features": found})
    else:
        show(differences_table(found))
