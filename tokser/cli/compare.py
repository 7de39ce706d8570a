"""`tokser compare`: how far features of two stores lie apart."""

import click

from tokser.cli.options import reports_errors

__all__ = ["compare"]


@click.command()
@click.argument("store_a", type=click.Path())
@click.argument("store_b", type=click.Path())
@click.option(
    "--features",
    default="all",
    metavar="all|F,...",
    help="Names in STORE_A with commas between, or NAME=OTHER where STORE_B calls it otherwise.  "
    "[default: all that both have]",
)
@reports_errors
def compare(store_a: str, store_b: str, features: str) -> None:
    """Tell how far features of STORE_A and STORE_B lie apart.

    Utterances are joined by their ids. Shown are the mean cosine of a row and its counterpart, the
    one that 5 % of the rows stay below, the relative L2 distance |a - b| / |a| of all rows, of
    the utterances' means and of their standard deviations, and by how much a functional moves,
    in its standard deviations over STORE_A's utterances: what a classifier on standardised
    functionals sees.
    """
    from tokser.stages.compare import compare as run
    from tokser.terminal import differences_table, show

    show(differences_table(run(store_a, store_b, () if features == "all" else features.split(","))))
