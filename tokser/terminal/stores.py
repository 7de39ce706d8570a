"""Tables of stores: features, provenance, damages, and distances between stores."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from tokser.errors import list_some
from tokser.provenance import COLUMNS, flattened
from tokser.store import Damage
from tokser.store.schema import FUNCTIONALS
from tokser.terminal.layout import NARROW, add_some, folded_table

if TYPE_CHECKING:
    from tokser.extraction.recompute import Recomputed
    from tokser.stages.compare import Difference

__all__ = [
    "damages_table",
    "differences_table",
    "provenance_table",
    "recomputed_table",
    "store_table",
]


def store_table(content: Mapping[str, Any]) -> Table:
    """Show the features of a store as `stages.info` describes it: shape, size, what is there."""
    table = Table(
        title=f"{content['path']}: {content['dataset']}, {content['num_utterances']:,} utterances, "
        f"{content['backend']}, format {content['format']}"
    )
    table.add_column("feature", overflow="fold")
    for heading in ("rows", "dim", "dtype", "GB", "complete", "pooled"):
        table.add_column(heading, justify="right", no_wrap=True)
    for feature in content["features"]:
        packed = "" if feature["compression"] == "none" else f" ({feature['compression']})"
        table.add_row(
            feature["name"],
            f"{feature['num_rows']:,}",
            str(feature["dim"]),
            feature["dtype"],
            f"{feature['num_bytes'] / 1e9:.3f}{packed}",
            f"{feature['complete_percent']:.0f} %",
            "yes" if feature["pooled"] else "no",
        )
    return table


def provenance_table(content: Mapping[str, Any]) -> Table:
    """Show what made each group of a store's features."""
    table = folded_table("made by", "what", title="provenance")
    for group, provenance in content["provenance"].items():
        if group.startswith(FUNCTIONALS):
            continue
        brief = {key: value for key, value in provenance.items() if key != COLUMNS}
        facts = [f"{k} {_short(value)}" for k, value in flattened(brief).items() if value != ""]
        table.add_row(group, ", ".join(facts))
    return table


def damages_table(damages: Sequence[Damage]) -> Table:
    """List what `verify` found to be damaged."""
    table = folded_table("what", "shard", "utterances", "damage", title=f"{len(damages)} damages")
    rows = [
        (
            damage.what,
            "" if damage.shard is None else str(damage.shard),
            list_some(damage.utterances),
            damage.reason,
        )
        for damage in damages
    ]
    add_some(table, rows)
    return table


def differences_table(found: "Sequence[Difference]") -> Table:
    """Show how far features of two stores lie apart."""
    sides = dict.fromkeys(" against ".join(side or "?" for side in one.made_by) for one in found)
    table = Table(title=", ".join(sides), box=box.SIMPLE_HEAD, **NARROW)
    table.caption = (
        "cosine of each row with its counterpart: mean, and 5th percentile; distance: relative L2 "
        "of rows, of the utterances' means and of their standard deviations; change: of a mean or "
        "standard deviation, in its standard deviations over the utterances"
    )
    table.add_column("\nfeature", overflow="fold")
    headings = (
        "\nrows",
        "cosine\nmean",
        "cosine\n5th pct",
        "distance\nrows",
        "\nmeans",
        "\nstd devs",
        "\nchange",
    )
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        name, other = one.features
        table.add_row(
            name if name == other else f"{name}\n= {other}",
            f"{one.num_rows:,}",
            f"{one.cosine:.4f}",
            f"{one.cosine_p5:.4f}",
            f"{one.relative_l2:.2g}",
            f"{one.mean_l2:.2g}",
            f"{one.std_l2:.2g}",
            f"{one.shift:.2g}",
        )
    return table


def recomputed_table(found: "Sequence[Recomputed]") -> Table:
    """Show by feature how far stored rows lie from what the encoders give now."""
    table = folded_table("feature", "utterances", "largest relative distance", "not the same")
    for name in dict.fromkeys(one.feature for one in found):
        here = [one for one in found if one.feature == name]
        changed = [one.utterance for one in here if not one.is_same]
        largest = max(one.distance for one in here)
        table.add_row(name, str(len(here)), f"{largest:.1e}", list_some(changed))
    return table


def _short(value: Any) -> str:
    """Shorten a digest; a sentence stays whole."""
    text = str(value)
    return text if len(text) <= 40 or " " in text else f"{text[:12]}…"
