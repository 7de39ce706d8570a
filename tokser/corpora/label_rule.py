"""From several annotators to one label: majority or plurality; the shares are kept beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pandas as pd

from tokser.corpora.annotations import Annotation, count_annotations
from tokser.corpora.manifest import Manifest
from tokser.errors import SettingsError, list_some
from tokser.label_shares import (
    NUM_ANNOTATORS,
    SHARE,
    LabelShares,
    classes_with_shares,
    read_shares,
    winners,
)
from tokser.progress import warn

__all__ = ["LabelRule", "Rule", "label_utterances", "with_shares"]

Rule = Literal["as-written", "majority", "plurality"]
"""The corpus's own label; the class of more than half of the annotators; that of most of them."""


@dataclass(frozen=True)
class LabelRule:
    """How an utterance gets its label.

    Attributes:
        rule: What decides.
        min_agreement: Least share of the winner, with `plurality`.
        renamed: Classes by what the corpus and its annotations call them; an empty one is left out.
    """

    rule: Rule = "as-written"
    min_agreement: float = 0.0
    renamed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.min_agreement <= 1 or (self.min_agreement and self.rule != "plurality"):
            raise SettingsError(
                "--min-agreement",
                expected="a share from 0 to 1, with --labels plurality",
                got=f"{self.min_agreement:g} with --labels {self.rule}",
                remedy="Correct it, or leave it out.",
            )

    def winners(self, shares: pd.DataFrame) -> "pd.Series[str]":
        """Return the label of each utterance; empty where no class has won."""
        if self.rule == "majority":
            return winners(shares, above=0.5)
        return winners(shares, at_least=self.min_agreement)


def label_utterances(
    manifest: Manifest, rule: LabelRule, annotations: Sequence[Annotation] | None, table: object
) -> Manifest:
    """Write shares of annotators into a manifest, and the label that they give.

    Args:
        manifest: Of all utterances.
        rule: How they get their label.
        annotations: What annotators said; None: what columns `label_<class>` of the manifest say.
        table: What says it, for messages.

    Returns:
        The manifest with columns `label_<class>` and `num_annotators`.

    Raises:
        InputError: Annotations or columns are not what they should be.
    """
    if annotations is None and rule.rule == "as-written":
        return manifest
    found = manifest.table
    if annotations is None:
        shares = read_shares(found, table)
    else:
        own = [rule.renamed.get(label, label) for label in found["label"]]
        found = found.assign(label=pd.Series(own, index=found.index, dtype=object))
        known = sorted(set(own) - {""})
        counts = count_annotations(
            annotations, list(found.index), table=table, renamed=rule.renamed, known=known
        )
        shares = LabelShares.of_counts(counts)
    _say_what_is_missing(shares, table)
    found = with_shares(found, shares)
    if rule.rule != "as-written":
        found = found.assign(label=rule.winners(shares.shares))
        _say_who_has_no_label(found["label"], shares, rule, table)
    return replace(manifest, table=found)


def with_shares(table: pd.DataFrame, shares: LabelShares) -> pd.DataFrame:
    """Return a table of utterances with its shares; columns that it had of them are replaced."""
    old = [f"{SHARE}{name}" for name in classes_with_shares(table.columns)]
    kept = table.drop(columns=[*old, NUM_ANNOTATORS], errors="ignore")
    return pd.concat([kept, shares.columns()], axis=1)


def _say_what_is_missing(shares: LabelShares, table: object) -> None:
    bare = list(shares.shares.index[~shares.is_annotated])
    if bare:
        warn(f"{table}: {len(bare):,} utterances have no annotation: {list_some(bare)}")
    if shares.num_annotators.max() == 1:
        warn(f"{table}: no utterance has more than one annotator, so shares are 0 or 1")


def _say_who_has_no_label(
    labels: "pd.Series[str]", shares: LabelShares, rule: LabelRule, table: object
) -> None:
    without = list(labels.index[labels.eq("") & shares.is_annotated])
    if not without:
        return
    why = "no class has more than half of the annotators"
    if rule.rule == "plurality":
        why = "several classes share the first place"
        if rule.min_agreement:
            why += f", or the first has less than {rule.min_agreement:.0%}"
    warn(
        f"{table}: {len(without):,} of {len(labels):,} utterances get no label, as {why}: "
        f"{list_some(without)}"
    )
