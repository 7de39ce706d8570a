"""`tokser compare`: how far features of two stores lie apart."""

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
    help="Names in STORE_A with commas between, or NAME=OTHER where STORE_B calls it otherwise.",
)
@json_option
def compare(store_a: str, store_b: str, features: str, *, as_json: bool) -> None:
    """Show how far features of STORE_A and STORE_B lie apart.

    Utterances are joined by their ids. Shown are the mean cosine of a row and its counterpart, the
    one that 5 % of the rows stay below, the relative L2 distance |a - b| / |a| of all rows, of
    the utterances' means and of their standard deviations, and by how much a functional moves,
    in its standard deviations over STORE_A's utterances: what a classifier on standardised
    functionals sees.
    """
    from tokser.stages.compare import compare as run
    from tokser.terminal import differences_table

    found = run(store_a, store_b, () if features == "all" else features.split(","))
    if as_json:
        print_json({"features": found})
    else:
        show(differences_table(found))
