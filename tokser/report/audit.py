"""What each protocol's training and test sets share, by the audits of the splits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokser.report.inputs import Experiment
from tokser.report.naming import protocol_meaning, protocol_title
from tokser.report.published import COUNTS
from tokser.report.table import Cell, Column, ColumnGroup, Number, Table, Text

__all__ = ["Verdict", "audit_table", "meaning", "near_duplicate_tables", "verdicts"]

_STRATIFIED = {
    True: "The split is stratified by emotion. The paper's was not: on EmoDB it prints 29.63 % "
    "accuracy at 14.29 % UAR, that is 16 of 54 test utterances of one emotion, where a stratified "
    "split has 13. Use --no-stratify for such a split.",
    False: "The split is not stratified (--no-stratify). The paper's was not either.",
}


@dataclass(frozen=True)
class Verdict:
    """What the audits say about one protocol of one dataset."""

    stamp: str
    """For instance `LEAKS SPEAKERS`; empty where no speaker is shared."""
    leaks: tuple[str, ...]
    """What test shares with train or dev, for instance `speakers`, `sentences`."""
    facts: tuple[Mapping[str, Any], ...]
    """Whatever else the audits found, one entry per differing audit."""
    is_stratified: tuple[bool, ...] = ()
    """Whether the split was, of each kind of folder; empty where a file of splits does not say."""

    @property
    def knows_speakers(self) -> bool:
        """Whether the speaker of every utterance is known, so that a leak would show."""
        return "SPEAKERS UNKNOWN" not in self.stamp

    @property
    def separates_speakers(self) -> bool:
        """Whether no test speaker is in the training set."""
        return "speakers" not in self.leaks and self.knows_speakers


def meaning(protocol: str, verdict: Verdict, dataset: str) -> str:
    """Describe in a few sentences how to read the scores of a protocol, from its audits."""
    found = [protocol_meaning(protocol, dataset)]
    if protocol == "random":
        for kind in sorted(verdict.is_stratified, reverse=True):
            text = _STRATIFIED[kind]
            found.append(text if dataset in COUNTS else f"{text.partition('.')[0]}.")
    if not verdict.knows_speakers:
        found.append(
            "Some utterances have no speaker: whether test speakers are also in the training set "
            "is unknown."
        )
    if "speakers" in verdict.leaks:
        found.append(
            "Test speakers are also in the training set: these scores overstate the performance on "
            "new speakers."
        )
    elif verdict.separates_speakers:
        found.append("No test speaker is in the training set.")
    if "labels" in verdict.leaks:
        found.append("Some features were tuned on the labels of test utterances.")
    if "recordings" in verdict.leaks:
        found.append("Some recordings are in both the training and the test set.")
    if "sentences" in verdict.leaks:
        found.append("The same sentences occur in the training and the test set.")
    return " ".join(filter(None, found))


def verdicts(protocols: Sequence[str], results: Sequence[Experiment]) -> dict[str, Verdict]:
    """Join the audits of one dataset's folders, by protocol.

    Args:
        protocols: The protocols that the page shows.
        results: Folders of one dataset.

    Returns:
        A verdict for each protocol. One that no audit covers is judged by its scores.
    """
    return {protocol: _verdict(protocol, results) for protocol in protocols}


def _verdict(protocol: str, results: Sequence[Experiment]) -> Verdict:
    audits = [folder.audit[protocol] for folder in results if protocol in folder.audit]
    leaks = [str(leak) for audit in audits for leak in _as_list(audit["leaks"])]
    stamps = [str(audit["stamp"]) for audit in audits]
    for folder in results:
        rows = folder.scores[folder.scores["protocol"] == protocol]
        leaks += [leak for text in rows["leaks"].unique() for leak in text.split()]
        stamps += [str(s) for s in rows["stamp"].unique()] if "stamp" in rows else []
    leaks = list(dict.fromkeys(leaks))
    stamp = ", ".join(dict.fromkeys(one for s in stamps for one in s.split(", ") if one))
    facts = [{k: v for k, v in a.items() if k not in ("leaks", "stamp")} for a in audits]
    different = {json.dumps(fact, sort_keys=True): fact for fact in facts if fact}
    is_stratified = [
        bool(folder.settings.get("stratify", True))
        for folder in results
        if _draws(folder, protocol)
    ]
    return Verdict(
        stamp or ("LEAKS SPEAKERS" if "speakers" in leaks else ""),
        tuple(leaks),
        tuple(different.values()),
        tuple(dict.fromkeys(is_stratified)),
    )


def audit_table(found: Mapping[str, Verdict], name: str, caption: str) -> Table:
    """Show what the sets of each protocol share and miss; the audits' remarks are the notes."""
    facts = [(p, verdict, one) for p, verdict in found.items() for one in verdict.facts or ({},)]
    columns = (
        Column("Protocol"), Column("Verdict"), Column("Test shares with train or dev"),
        Column("Smallest test set", "number"), Column("Points per error", "number"),
        Column("Missing classes"),
    )  # fmt: skip
    remarks = [
        f"{protocol_title(protocol)}: {remark}."
        for protocol, _, one in facts
        for remark in one.get("remarks", ())
    ]
    rows = tuple(_audit_row(*one) for one in facts)
    return Table(name, caption, (ColumnGroup(columns),), rows, notes=tuple(remarks))


def near_duplicate_tables(found: Mapping[str, Verdict], prefix: str, title: str) -> list[Table]:
    """Show recordings in test that are nearly the same as one in train or dev, by protocol."""
    with_some = [
        (protocol, facts)
        for protocol, verdict in found.items()
        for facts in verdict.facts
        if facts.get("near_duplicates")
    ]
    names = [f"{prefix}-near-duplicates-{number}" for number in range(1, len(with_some) + 1)]
    return [
        _near_duplicate_table(protocol, facts, name, title)
        for name, (protocol, facts) in zip(names, with_some, strict=True)
    ]


def _near_duplicate_table(protocol: str, facts: Mapping[str, Any], name: str, title: str) -> Table:
    content = facts["content"]
    columns = (Column("Recording"), Column("Near-duplicate"), Column("Cosine", "number"))
    return Table(
        name,
        f"{title}: near-duplicates, {protocol_title(protocol).lower()}",
        (ColumnGroup(columns),),
        tuple(
            (first, second, Number(float(cosine), scale=1, digits=3))
            for first, second, cosine in facts["near_duplicates"]
        ),
        notes=(
            f"Recordings in test with a cosine of at least {content['threshold']:.2f} to one in "
            f"train or dev, in {content['feature']}; at most "
            f"{facts['shared']['near-duplicates']} in a fold. The cosines of all other pairs of "
            f"the corpus are at most {content['nearest_below']:.2f}.",
        ),
    )


def _audit_row(protocol: str, verdict: Verdict, facts: Mapping[str, Any]) -> tuple[Cell, ...]:
    shared = facts.get("shared", {})
    leaks = ", ".join(f"{shared.get(leak, '')} {leak}".strip() for leak in verdict.leaks)
    nothing = "none" if verdict.knows_speakers else "none known"
    missing = facts.get("missing_classes")
    points = facts.get("points_per_error")
    return (
        protocol_title(protocol),
        Text(verdict.stamp, "stamp") if verdict.stamp else "no speaker leakage",
        leaks or nothing,
        facts.get("smallest_test"),
        None if points is None else Number(float(points), scale=1),
        None if missing is None else "; ".join(missing) or "none",
    )


def _draws(folder: Experiment, protocol: str) -> bool:
    """Return whether a folder's splits of a protocol into classes were drawn, not read."""
    if folder.tables.classes is None or protocol not in set(folder.scores["protocol"]):
        return False
    from_file = folder.settings.get("splits_file") is not None
    return not from_file or protocol in (folder.settings.get("protocols") or ())


def _as_list(value: Any) -> list[Any]:
    return value.split() if isinstance(value, str) else list(value)
