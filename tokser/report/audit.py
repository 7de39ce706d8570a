"""What each protocol shares between its parts, and how often a test part was looked at."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokser.report.naming import order_protocols
from tokser.report.results import Experiment

__all__ = ["Looks", "Verdict", "count_looks", "verdicts"]


_CONFIGURATION = ("features", "classifier", "target", "regressor", "seed", "fold")
"""What tells looks apart, the fold last."""


@dataclass(frozen=True)
class Verdict:
    """What the audits say about one protocol of one dataset."""

    stamp: str
    """For instance `LEAKS SPEAKERS`; empty where no speaker is shared."""
    leaks: tuple[str, ...]
    """What test shares with train or dev, for instance `speakers`, `sentences`."""
    facts: tuple[Mapping[str, Any], ...]
    """Whatever else the audits found, one entry per differing audit."""


@dataclass(frozen=True)
class Looks:
    """How often the test parts of one protocol were looked at."""

    folder: str
    protocol: str
    num_looks: int
    num_configurations: int
    """Different configurations among the looks."""
    num_repeated: int
    """Looks at a fold that the same configuration had looked at before."""
    num_other_runs: int = 0
    """Runs with other settings that had looked at one of these test parts before, at most."""


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
        for folder in results:
            rows = folder.scores[folder.scores["protocol"] == protocol]
            leaks += [leak for text in rows["leaks"].unique() for leak in text.split()]
        leaks = list(dict.fromkeys(leaks))
        stamp = next((str(audit["stamp"]) for audit in audits if audit["stamp"]), "")
        facts = [{k: v for k, v in a.items() if k not in ("leaks", "stamp")} for a in audits]
        different = {json.dumps(fact, sort_keys=True): fact for fact in facts if fact}
        found[protocol] = Verdict(
            stamp or ("LEAKS SPEAKERS" if "speakers" in leaks else ""),
            tuple(leaks),
            tuple(different.values()),
        )
    return found


def count_looks(results: Sequence[Experiment]) -> list[Looks]:
    """Count the entries of every folder's ledger, by protocol."""
    found = []
    for folder in results:
        by_protocol: dict[str, Counter[tuple[str, ...]]] = {}
        others: Counter[str] = Counter()
        for look in folder.looks:
            key = tuple(str(look.get(k, "")) for k in _CONFIGURATION)
            protocol = str(look.get("protocol", ""))
            by_protocol.setdefault(protocol, Counter())[key] += 1
            others[protocol] = max(others[protocol], int(look.get("other_runs", 0)))
        for protocol in order_protocols(by_protocol):
            counts = by_protocol[protocol]
            configurations = {key[:-1] for key in counts}
            repeated = counts.total() - len(counts)
            found.append(
                Looks(
                    str(folder.folder),
                    protocol,
                    counts.total(),
                    len(configurations),
                    repeated,
                    others[protocol],
                )
            )
    return found


def _as_list(value: Any) -> list[Any]:
    return value.split() if isinstance(value, str) else list(value)
