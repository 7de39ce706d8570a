"""Emotion over time as a picture: waveform, probabilities, and the dominant class."""

import base64
import math
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from tokser.corpora.sound_file import opened
from tokser.durable import write_atomically
from tokser.errors import InputError, SettingsError
from tokser.experiments.models import Model
from tokser.experiments.models.calibration import PREDICTION_SET
from tokser.plain_text import plain
from tokser.report.palette import DARK, LIGHT
from tokser.report.renderers.html import environment
from tokser.report.svg import COLOURS, INK, LINE, MUTED, PAPER, Drawing, draw

__all__ = ["Envelope", "draw_timeline", "envelope_of", "require_drawable"]

FORMATS = (".png", ".svg", ".html")
PLAYABLE = (".wav", ".wave", ".flac", ".mp3", ".ogg", ".oga", ".opus")
MOST_PLAYED_BYTES = 12 * 2**20
"""Size of a recording that a page carries with it."""
_BINS = 1_200
_STEP_S = 0.01
_WIDTH, _HEIGHT = 820, 430
_LEFT, _RIGHT = 0.075, 0.845
"""Sides of the panels, as fractions of the picture's width: the page's cursor goes by them."""
_WAVEFORM, _LINES, _STRIP = (0.77, 0.15), (0.27, 0.46), (0.135, 0.085)
"""Bottom and height of each panel, as fractions of the picture's height."""
_MOST_MARKED = 80
"""Windows beyond which their points would run together."""
_LETTER = 0.0085
"""Width of a letter in the strip, as a fraction of the panels'."""


@dataclass(frozen=True)
class Envelope:
    """The outline of a waveform.

    Attributes:
        lowest: Least sample of each piece, [pieces].
        highest: Largest sample of each piece, [pieces].
        duration_s: Length of the recording, in seconds.
    """

    lowest: NDArray[np.float32]
    highest: NDArray[np.float32]
    duration_s: float


def require_drawable(out: Path, inputs: Sequence[str], window: float | None) -> None:
    """Raise `SettingsError` unless a picture can be drawn of what is predicted."""
    if out.suffix.lower() not in FORMATS:
        raise SettingsError(
            f"--plot {out}",
            expected=f"a name that ends in {', '.join(FORMATS)}",
            got=out.suffix or "no ending",
            remedy="Name a picture or a page.",
        )
    if window is None:
        raise SettingsError(
            "--plot",
            expected="windows: emotion over time",
            got="whole recordings",
            remedy="Add for instance --window 4 --hop 1.",
        )
    if len(inputs) != 1 or not Path(inputs[0]).is_file() or Path(inputs[0]).suffix == ".csv":
        raise SettingsError(
            "--plot",
            expected="one recording",
            got=", ".join(inputs[:3]),
            remedy="Name one audio file.",
        )


def draw_timeline(
    recording: Path, predictions: pd.DataFrame, model: Model, out: Path, *, name: str
) -> None:
    """Draw the windows of one recording.

    Args:
        recording: Its file.
        predictions: Its windows: `start_s`, `end_s` and the model's columns.
        model: What predicted them.
        out: File; its ending decides the format. A page (.html) carries the recording with it, if
            that is small enough, and a browser can play it.
        name: Of the model, for the title.

    Raises:
        InputError: No window was predicted.
    """
    if predictions.empty:
        raise InputError(
            recording,
            expected="a window that was predicted",
            got="none",
            remedy="See why the recording was quarantined.",
        )
    envelope = envelope_of(recording)
    figure = timeline(envelope, predictions, model, title=f"{recording.name}, {name}")
    kind = out.suffix.lower()
    if kind == ".html":
        write_atomically(out, _page(recording, predictions, model, figure, name).encode())
    else:
        write_atomically(out, figure.render("png" if kind == ".png" else "svg"))


def envelope_of(recording: Path) -> Envelope:
    """Read the outline of a recording, block by block, in pieces of 10 ms."""
    lowest, highest, num_samples = [], [], 0
    with opened(recording) as file:
        rate = file.sampling_rate_hz
        step = max(1, round(_STEP_S * rate))
        for block in file.blocks():
            mono = block.mean(axis=1)
            num_samples += len(mono)
            starts = np.arange(0, len(mono), step)
            lowest.append(np.minimum.reduceat(mono, starts))
            highest.append(np.maximum.reduceat(mono, starts))
    low, high = np.concatenate(lowest), np.concatenate(highest)
    starts = np.linspace(0, len(low), min(len(low), _BINS), endpoint=False).astype(int)
    return Envelope(
        np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts), num_samples / rate
    )


def timeline(envelope: Envelope, predictions: pd.DataFrame, model: Model, *, title: str) -> Drawing:
    """Draw waveform, outputs at the middle of each window, and the dominant class.

    Returns:
        Inline SVG; `render` makes a file of it.
    """
    if model.task == "classification":
        shares = predictions["label"].value_counts(normalize=True)
        said = ", ".join(f"{label} {share:.0%}" for label, share in shares.items())
        description = f"Dominant class of {len(predictions)} windows: {said}"
    else:
        values = predictions[model.target]
        description = f"{model.target} from {values.min():.2f} to {values.max():.2f}"
    paint = partial(_paint, envelope=envelope, predictions=predictions, model=model, title=title)
    return draw(paint, height=_HEIGHT, width=_WIDTH, title=title, description=description)


def _paint(
    axes: Axes, *, envelope: Envelope, predictions: pd.DataFrame, model: Model, title: str
) -> None:
    figure: Any = axes.figure
    axes.remove()
    figure.set_layout_engine("none")
    waveform, lines, strip = (
        figure.add_axes((_LEFT, bottom, _RIGHT - _LEFT, height))
        for bottom, height in (_WAVEFORM, _LINES, _STRIP)
    )
    figure.text(_LEFT, 0.955, plain(title), fontsize=12.5, fontweight="bold")
    times = np.linspace(0, envelope.duration_s, len(envelope.lowest))
    waveform.fill_between(times, envelope.lowest, envelope.highest, color=MUTED, linewidth=0.4)
    waveform.set_yticks([])
    waveform.set_ylabel("Waveform")
    waveform.grid(visible=False)
    if model.task == "classification":
        _paint_probabilities(lines, predictions, model.classes)
        _paint_dominant(strip, predictions, model.classes, envelope.duration_s)
    else:
        _paint_number(lines, predictions, model.target)
        strip.set_visible(False)
    bottom = strip if model.task == "classification" else lines
    for panel in (waveform, lines, strip):
        panel.set_xlim(0, envelope.duration_s)
        panel.tick_params(labelbottom=panel is bottom)
    bottom.set_xlabel("Time [s]")


def _paint_probabilities(axes: Any, predictions: pd.DataFrame, classes: Sequence[str]) -> None:
    middles, marker = _middles(predictions), _marker(predictions)
    means = {name: float(predictions[f"probability_{name}"].mean()) for name in classes}
    for name in sorted(classes, key=lambda one: -means[one]):
        colour, dash = _look(classes)[name]
        axes.plot(
            middles,
            predictions[f"probability_{name}"],
            color=colour,
            linestyle=dash,
            marker=marker,
            markersize=3.5,
            linewidth=1.8,
            label=plain(name),
        )
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("Probability")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), borderaxespad=0, handlelength=2.4)


def _paint_number(axes: Any, predictions: pd.DataFrame, target: str) -> None:
    axes.plot(
        _middles(predictions),
        predictions[target],
        color=COLOURS[0],
        marker=_marker(predictions),
        markersize=3.5,
    )
    axes.set_ylabel(plain(target.capitalize()))


def _paint_dominant(
    axes: Any, predictions: pd.DataFrame, classes: Sequence[str], duration_s: float
) -> None:
    """Paint runs of windows of one class, from halfway to the window before to halfway after."""
    middles = _middles(predictions)
    edges = np.concatenate([[0.0], (middles[1:] + middles[:-1]) / 2, [duration_s]])
    labels = predictions["label"].to_list()
    first = 0
    for place in range(1, len(labels) + 1):
        if place < len(labels) and labels[place] == labels[first]:
            continue
        start, end, label = float(edges[first]), float(edges[place]), plain(labels[first])
        colour = _look(classes)[labels[first]][0]
        axes.barh(0, end - start, left=start, height=1, color=colour, edgecolor=PAPER, linewidth=1)
        if (end - start) / duration_s > _LETTER * (len(label) + 2):
            middle = (start + end) / 2
            axes.text(middle, 0, label, color=PAPER, ha="center", va="center", fontsize=10)
        first = place
    axes.set_ylim(-0.5, 0.5)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_ylabel("Class")
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(LINE)


def _look(classes: Sequence[str]) -> Mapping[str, tuple[str, Any]]:
    """Return colour and dashes of each class; what colours do not tell apart is dashed.

    The sixth colour is near the first, so it comes last, dashed.
    """
    solid = (*COLOURS[:5], INK)
    looks = [(colour, "-") for colour in solid] + [(COLOURS[5], "--")]
    looks += [(colour, dash) for dash in (":", "-.", "--") for colour in solid]
    return {name: looks[i % len(looks)] for i, name in enumerate(classes)}


def _middles(predictions: pd.DataFrame) -> NDArray[np.float64]:
    return np.asarray((predictions["start_s"] + predictions["end_s"]) / 2, dtype=np.float64)


def _marker(predictions: pd.DataFrame) -> str:
    return "o" if len(predictions) <= _MOST_MARKED else ""


def _page(
    recording: Path, predictions: pd.DataFrame, model: Model, figure: Drawing, name: str
) -> str:
    windows = predictions.drop(columns="id")
    heads = {PREDICTION_SET: "prediction set"}
    columns = [heads.get(c, c.removeprefix("probability_")) for c in windows.columns[2:]]
    rows = [
        [f"{value:.3f}" if isinstance(value, float) else value for value in row]
        for row in windows.itertuples(index=False)
    ]
    page = environment().get_template("timeline.html.jinja")
    html = page.render(
        title=recording.name,
        model=name,
        figure=str(figure),
        description=figure.description,
        audio=_audio(recording),
        columns=["from [s]", "to [s]", *columns],
        rows=rows,
        left=100 * _LEFT,
        width=100 * (_RIGHT - _LEFT),
        window_s=float((predictions["end_s"] - predictions["start_s"]).max()),
        light=LIGHT,
        dark=DARK,
    )
    return plain(html)


def _audio(recording: Path) -> str:
    """Return a recording as a data address; empty where it is too large, or no browser plays it."""
    is_small = math.ceil(recording.stat().st_size) <= MOST_PLAYED_BYTES
    if recording.suffix.lower() not in PLAYABLE or not is_small:
        return ""
    kind = mimetypes.guess_type(recording.name)[0] or "audio/wav"
    return f"data:{kind};base64,{base64.b64encode(recording.read_bytes()).decode()}"
