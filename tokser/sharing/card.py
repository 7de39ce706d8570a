"""The dataset card: `README.md` of a shared store, as the hub shows it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from tokser.hub import SCHEME
from tokser.markdown import markdown_table, plain
from tokser.provenance import versions
from tokser.sharing.licence import CorpusLicence
from tokser.sharing.selection import StorePart
from tokser.store import is_remote
from tokser.store.feature_name import FUNCTIONALS

__all__ = ["CARD", "dataset_card"]

CARD = "README.md"
_ON_THE_HUB = ("cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-sa-4.0", "odbl")
"""Identifiers of licences that the hub knows."""
_TOLD = ("model", "revision", "weights_sha256", "context", "precision", "tokenizer")
_MOST_CLASSES = 30


def dataset_card(
    part: StorePart, manifest: pd.DataFrame, licence: CorpusLicence, address: str
) -> str:
    """Return the card of a store.

    Args:
        part: What is shared.
        manifest: Its utterances.
        licence: Of the corpus.
        address: Where it is shared; of a folder, its last part is told.
    """
    address = address if is_remote(address) else Path(address).name
    dataset = part.root.dataset
    sections = [
        _front_matter(part, licence),
        f"# {plain(dataset)}: activations of frozen encoders",
        "A feature store of tokser: what frozen encoders compute of every utterance of the corpus, "
        "with a checksum for each of them. It holds no recordings.",
        "## How to use it",
        _usage(part, address),
        "## Features",
        _features(part),
        "## What made them",
        _provenance(part),
        "## Utterances",
        _utterances(manifest),
        "## Licence and source",
        _licence(licence),
        f"Written by tokser {versions()['tokser']}. `SHA256SUMS` has the digest of every file; the "
        f"manifest's is `{part.root.manifest_digest}`.",
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(part: StorePart, licence: CorpusLicence) -> str:
    spdx = licence.text.lower()
    spdx = "odbl" if spdx.startswith("odbl") else spdx
    known = spdx in _ON_THE_HUB
    content: dict[str, Any] = {
        "pretty_name": f"{part.root.dataset}, activations",
        "license": spdx if known else "other",
        "tags": ["tokser", "speech-emotion-recognition", part.root.dataset],
        "task_categories": ["audio-classification"],
        "viewer": False,
    }
    if not known:
        content["license_name"] = licence.text or "not stated"
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True)}---"


def _usage(part: StorePart, address: str) -> str:
    dataset = part.root.dataset
    store = f"{dataset}.zarr"
    some = next((f for f in part.features if not f.startswith(f"{FUNCTIONALS}/")), "")
    lines = ["```bash", _installing(address), f"tokser pull {address} {store}"]
    if any(name.startswith(f"{FUNCTIONALS}/") for name in part.features):
        lines.append(f"tokser classify --dataset {dataset} --store {store}")
    lines.append("```")
    if some:
        lines += [
            "",
            "or in place, where only what is read is fetched:",
            "",
            "```python",
            "import tokser",
            "",
            f'store = tokser.open_store("{address}")',
            f'layer = store["{some}"]',
            "frames = layer[layer.ids[0]]  # [frames, dim]",
            "```",
        ]
    return "\n".join(lines)


def _installing(address: str) -> str:
    """Return the command that installs what fetches from an address, and what trains."""
    source = "hub," if address.startswith(SCHEME) else "cloud," if is_remote(address) else ""
    return f"pip install 'tokser[{source}train]'"


def _features(part: StorePart) -> str:
    rows = []
    for name in part.features:
        group, _, array = name.rpartition("/")
        about = part.groups[group]
        spec = about.features.get(array) or about.lookups[array]
        if spec.dtype != "int32":
            rows.append([f"`{name}`", about.kind, f"{about.num_rows:,}", str(spec.dim), spec.dtype])
    return markdown_table(("feature", "kind", "rows", "dim", "type"), rows)


def _provenance(part: StorePart) -> str:
    rows = []
    for group in part.root.groups:
        about = part.groups[group].provenance
        source = about.get("source", about) if group.startswith(FUNCTIONALS) else about
        told = [f"{key} {source[key]}" for key in _TOLD if source.get(key)]
        rows.append([f"`{group}`", plain(", ".join(told)) or "not stated"])
    return markdown_table(("group", "encoder"), rows)


def _utterances(manifest: pd.DataFrame) -> str:
    speakers = manifest["speaker"].astype(str)
    told = f"{len(manifest):,} utterances"
    if speakers.str.len().gt(0).all():
        told += f" of {speakers.nunique():,} speakers"
    labels = manifest["label"].astype(str)
    counts = labels[labels.str.len() > 0].value_counts()
    if counts.empty or len(counts) > _MOST_CLASSES:
        return f"{told}."
    listed = ", ".join(_counted(counts.items()))
    return f"{told}: {listed}."


def _counted(counts: Iterable[tuple[Any, int]]) -> Iterable[str]:
    return (f"{plain(str(label))} {count:,}" for label, count in counts)


def _licence(licence: CorpusLicence) -> str:
    lines = [
        f"Licence of the corpus, whose terms hold for its activations, too: "
        f"{plain(licence.text) or 'not stated'}."
    ]
    if licence.citation:
        lines.append(f"Cite: {plain(licence.citation)}.".replace("..", "."))
    if licence.source:
        lines.append(f"The recordings: {plain(licence.source)}")
    return "\n\n".join(lines)
