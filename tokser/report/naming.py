"""Names and order of features, datasets and protocols in the report."""

import re
from collections.abc import Iterable, Mapping

from tokser.shipped import shipped_file, shipped_names

__all__ = [
    "dataset_title",
    "file_name",
    "layer_of",
    "natural_key",
    "order_protocols",
    "p_value",
    "protocol_meaning",
    "protocol_title",
    "published_label",
    "signed",
]

_LAYER = re.compile(r"(?P<group>.+)/layer-(?P<layer>\d+)")
_OF_SESSIONS = ("iemocap", "msp-improv")
"""Corpora whose utterances all have a session, of which one is left out."""
_TITLES = {
    "speaker": "Unseen speakers",
    "random": "Random split",
    "fixed": "Fixed split",
    "text": "Unseen speakers and sentences",
    "kfold": "Group k-fold",
}
_MEANINGS = {
    "speaker": "Leave one speaker out.",
    "random": "A random 70:20:10 split, as in the paper.",
    "fixed": "One published split by speakers.",
    "text": "Leave one speaker out, and no sentence is in both sets.",
    "kfold": "Cross-validation over whole groups: speakers, unless --group-by names another.",
}


def dataset_title(dataset: str) -> str:
    """Return the name that a dataset's makers write, if it is declared in `data_manifests/`."""
    if f"{dataset}.yaml" not in shipped_names("data_manifests"):
        return dataset
    text = shipped_file("data_manifests", f"{dataset}.yaml").read_text(encoding="utf-8")
    title = re.search(r"^title: (.*)$", text, re.MULTILINE)
    return title[1] if title is not None else dataset


def file_name(name: str) -> str:
    """Return the name of a table or figure as that of a file: letters, digits, dots and dashes."""
    plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in name)
    return "-".join(part for part in plain.split("-") if part)


def protocol_title(protocol: str) -> str:
    """Return what a protocol is called in a table's head."""
    return _TITLES.get(protocol, protocol)


def protocol_meaning(protocol: str, dataset: str) -> str:
    """Return a sentence on how a protocol splits a dataset; empty for one that is not known.

    What came of it, for instance that no speaker is shared, is for the audit to say.
    """
    meaning = _MEANINGS.get(protocol, "")
    if dataset not in _OF_SESSIONS or protocol == "kfold":
        return meaning
    return meaning.replace("one speaker", "one session").replace("by speakers", "by sessions")


def order_protocols(protocols: Iterable[str]) -> list[str]:
    """Sort protocols, the most trustworthy first."""
    ranks = {"speaker": 0, "random": 2}
    return sorted(set(protocols), key=lambda protocol: (ranks.get(protocol, 1), protocol))


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key that puts `layer-2` before `layer-10`."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts)


def layer_of(features: str) -> tuple[str, int] | None:
    """Split `whisper-base/layer-6` into `whisper-base` and 6; None for other features."""
    found = _LAYER.fullmatch(features)
    return (found["group"], int(found["layer"])) if found else None


def published_label(features: str, teachers: Mapping[str, str]) -> str | None:
    """Return the name under which the paper's Table 3 lists a feature.

    Args:
        features: Name of the feature in the store.
        teachers: Name of the text encoder by name of the run that was aligned to it.

    Returns:
        For instance `Whisper` or `Ours (Multi)`; `Ours` where the run's text encoder is not
        known; None where the paper has no such row. A selection on dev among features that share a
        name has that name.
    """
    members = features.removeprefix("best(").removesuffix(")")
    if any(mark in members for mark in "+(:"):  # a fusion, or other functionals
        return None
    labels = {_label(member.strip(), teachers) for member in members.split(",")}
    return labels.pop() if len(labels) == 1 else None


def _label(feature: str, teachers: Mapping[str, str]) -> str | None:
    group, _, kind = feature.rpartition("/")
    if kind == "aligned":
        teacher = teachers.get(group)
        return "Ours" if teacher is None else f"Ours ({_language(teacher)})"
    if "bert" in group and kind == "contextual":
        return f"BERT ({_language(group)})"
    for family in ("Whisper", "WavLM"):
        if group.startswith(family.lower()):
            return family
    return None


def _language(text_encoder: str) -> str:
    return "Multi" if "multilingual" in text_encoder.lower() else "Mono"


def p_value(p: float | None) -> str:
    """Write a p-value as papers do; empty where there is none."""
    if p is None:
        return ""
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def signed(value: float, digits: int = 1) -> str:
    """Write a difference with its sign; a true minus, as on the axes."""
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
