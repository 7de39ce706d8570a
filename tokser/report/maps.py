"""Attention maps that lie in the folder of a run, for the page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from tokser.report.inputs import Run

__all__ = ["AttentionMap", "attention_anchors", "attention_maps"]

_KINDS = {".png": "image/png", ".svg": "image/svg+xml"}
_SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class AttentionMap:
    """A picture of the frames that the tokens of an utterance attend to.

    Source: paper, section 5, Figure 4.
    """

    run: str
    name: str
    """Name of the picture's file, without its suffix."""
    address: str
    """The picture itself, as a `data:` address: what it may hold is never run."""
    alternative: str
    """What it shows, for those who do not see it."""


def attention_maps(runs: Sequence[Run]) -> list[AttentionMap]:
    """Return the pictures `attention*.png` and `attention*.svg` of each run's folder, by name."""
    found = []
    for run in runs:
        for path in sorted(run.folder.glob("attention*")):
            if path.suffix in _KINDS:
                content = path.read_bytes()
                text = base64.b64encode(content).decode()
                address = f"data:{_KINDS[path.suffix]};base64,{text}"
                described = _described(content) if path.suffix == ".svg" else ""
                alternative = described or f"Attention map of the run {run.name}, {path.stem}"
                found.append(AttentionMap(run.name, path.stem, address, alternative))
    return found


def attention_anchors(runs: Sequence[Run]) -> dict[str, str]:
    """Return where on the page each picture of `attention_maps` is, by its name."""
    return {one.name: f"attention-{n}" for n, one in enumerate(attention_maps(runs), start=1)}


def _described(svg: bytes) -> str:
    """Return the title and the description of an SVG picture; empty where it has none."""
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError:
        return ""
    texts = [root.findtext(f"{_SVG}{part}") for part in ("title", "desc")]
    return ". ".join(text.strip() for text in texts if text and text.strip())
