"""What each protocol shares between its parts, and how often its test sets were evaluated."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokser.report.naming import order_protocols, protocol_meaning
from tokser.report.results import Experiment

__all__ = ["Evaluations", "Verdict", "count_evaluations", "meaning", "verdicts"]

_STRATIFIED = {
    True: "It is stratified: each part has its share of every emotion. The paper's was not: on "
    "EmoDB it prints 29.63 % accuracy at 14.29 % UAR, which is 16 of 54 test utterances of one "
    "emotion, where a stratified split has 13. --no-stratify draws without.",
    False: "It is not stratified (--no-stratify), as the paper's was not.",
}

_CONFIGURATION = ("features", "classifier", "target", "regressor", "seed", "fold")
"""What tells evaluations apart, the fold last."""


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
    """Whether the split was, of each kind of folder; empty where a file of splits does not tell."""

    @property
    def knows_speakers(self) -> bool:
        """Whether the speaker of every utterance is known, so that a leak would show."""
        return "SPEAKERS UNKNOWN" not in self.stamp

    @property
    def parts_speakers(self) -> bool:
        """Whether nobody who is tested was heard in training."""
        return "speakers" not in self.leaks and self.knows_speakers


@dataclass(frozen=True)
class Evaluations:
    """How often the test sets of one protocol were evaluated."""

    folder: str
    protocol: str
    num_evaluations: int
    num_configurations: int
    """Different configurations among them."""
    num_repeated: int
    """Evaluations of a fold that the same configuration had evaluated before."""
    other_runs: int
    """Runs that evaluate something else and had evaluated a test set that overlaps with one of
    these, at most over these."""
    other_evaluations: int | None
    """Evaluations by those runs, at most over these test sets; None where nobody counted them."""
    overlap: float | None
    """Share of a test set that other runs had evaluated, at most; None where nobody compared."""


def meaning(protocol: str, verdict: Verdict) -> str:
    """Say in a few sentences what the scores of a protocol stand for, by what the audits found."""
    found = [protocol_meaning(protocol)]
    if protocol == "random":
        found += [_STRATIFIED[kind] for kind in sorted(verdict.is_stratified, reverse=True)]
    if not verdict.knows_speakers:
        found.append(
            "Who speaks is not known of every utterance: whether the people who are tested are "
            "heard in training, too, cannot be told."
        )
    if "speakers" in verdict.leaks:
        found.append(
            "The people who are tested are heard in training, too: these scores say how well "
            "known voices are recognised, and overstate what a new speaker would get."
        )
    elif verdict.parts_speakers:
        found.append("Nobody who is tested was heard in training.")
    if "recordings" in verdict.leaks:
        found.append("Some recordings are both in training and in test.")
    if "sentences" in verdict.leaks:
        found.append("The same sentences are spoken in training and in test.")
    return " ".join(filter(None, found))


def verdicts(protocols: Sequence[str], results: Sequence[Experiment]) -> dict[str, Verdict]:
    """Join the audits of one dataset's folders, by protocol.

    Args:
        protocols: The protocols that the page shows.
        results: Folders of one dataset.

    Returns:
        A verdict for each protocol. One that no audit covers is judged by its scores.
    """
    found = {}
    for protocol in protocols:
        audits = [r.audit[protocol] for r in results if protocol in r.audit]
        leaks = [str(leak) for audit in audits for leak in _as_list(audit["leaks"])]
        stamps = [str(audit["stamp"]) for audit in audits]
        for folder in results:
            rows = folder.scores[folder.scores["protocol"] == protocol]
            leaks += [leak for text in rows["leaks"].unique() for leak in text.split()]
            stamps += [str(s) for s in rows["stamp"].unique()] if "stamp" in rows else []
        leaks = list(dict.fromkeys(leaks))
        is_stratified = [_is_stratified(folder) for folder in results if _draws(folder, protocol)]
        stamp = ", ".join(dict.fromkeys(one for s in stamps for one in s.split(", ") if one))
        facts = [{k: v for k, v in a.items() if k not in ("leaks", "stamp")} for a in audits]
        different = {json.dumps(fact, sort_keys=True): fact for fact in facts if fact}
        found[protocol] = Verdict(
            stamp or ("LEAKS SPEAKERS" if "speakers" in leaks else ""),
            tuple(leaks),
            tuple(different.values()),
            tuple(dict.fromkeys(is_stratified)),
        )
    return found


def count_evaluations(results: Sequence[Experiment]) -> list[Evaluations]:
    """Count the lines of every folder's ledger, by protocol."""
    found = []
    for folder in results:
        by_protocol: dict[str, list[Mapping[str, Any]]] = {}
        for line in folder.evaluations:
            by_protocol.setdefault(str(line.get("protocol", "")), []).append(line)
        for protocol in order_protocols(by_protocol):
            lines = by_protocol[protocol]
            keys = [tuple(str(line.get(k, "")) for k in _CONFIGURATION) for line in lines]
            found.append(
                Evaluations(
                    folder=str(folder.folder),
                    protocol=protocol,
                    num_evaluations=len(lines),
                    num_configurations=len({key[:-1] for key in keys}),
                    num_repeated=len(keys) - len(set(keys)),
                    other_runs=int(_most(lines, "other_runs") or 0),
                    other_evaluations=_whole(_most(lines, "other_evaluations")),
                    overlap=_most(lines, "overlap"),
                )
            )
    return found


def _most(lines: Sequence[Mapping[str, Any]], key: str) -> float | None:
    return max((float(line[key]) for line in lines if key in line), default=None)


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _draws(folder: Experiment, protocol: str) -> bool:
    """Tell whether a folder's splits of a protocol were drawn, and not read from a file."""
    if protocol not in set(folder.scores["protocol"]):
        return False
    from_file = folder.settings.get("splits_file") is not None
    return not from_file or protocol in (folder.settings.get("protocols") or ())


def _is_stratified(folder: Experiment) -> bool:
    return bool(folder.settings.get("stratify", True))


def _as_list(value: Any) -> list[Any]:
    return value.split() if isinstance(value, str) else list(value)
