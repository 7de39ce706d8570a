"""Tables on the terminal."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich import box
from rich.table import Column, Table
from rich.text import Text

from tokser.errors import list_some
from tokser.plain_text import shown
from tokser.provenance import COLUMNS, flattened
from tokser.store import Damage
from tokser.store.schema import FUNCTIONALS

if TYPE_CHECKING:
    from tokser.experiments.splits.audit import Audit
    from tokser.extraction.estimate import Estimate
    from tokser.extraction.recompute import Recomputed
    from tokser.extraction.summary import Summary
    from tokser.stages.compare import Difference
    from tokser.stages.corpora import KnownCorpus
    from tokser.stages.doctor import Finding
    from tokser.stages.encoders import KnownEncoder
    from tokser.transcription.transcript import Transcript
    from tokser.transcription.word_errors import WordErrors

__all__ = [
    "audit_tables",
    "corpora_table",
    "counts_of",
    "counts_table",
    "damages_table",
    "differences_table",
    "estimate_table",
    "faults_table",
    "findings_table",
    "predictions_table",
    "probe_tables",
    "provenance_table",
    "recomputed_table",
    "results_tables",
    "shared_tables",
    "similarity_tables",
    "store_table",
    "summary_table",
    "transcripts_table",
    "word_errors_table",
]

_MOST_ROWS = 20
_TIMES = ("start_s", "end_s")
_SET = "prediction_set"
_NARROW: dict[str, Any] = {"padding": (0, 0, 0, 1), "pad_edge": False}


def _table(*headings: str, title: str | None = None) -> Table:
    """Return a table that breaks long names, addresses and digests over lines, and cuts none."""
    return Table(*(Column(heading, overflow="fold") for heading in headings), title=title)


def findings_table(findings: "Sequence[Finding]") -> Table:
    """Show what `tokser doctor` found."""
    table = _table("", "what", "found", "how to fix it", title="tokser doctor")
    colours = {"ok": "green", "note": "yellow", "error": "red"}
    for one in findings:
        table.add_row(Text(one.state, colours[one.state]), one.what, one.detail, one.remedy)
    return table


def corpora_table(corpora: "Sequence[KnownCorpus]") -> Table:
    """Show what `tokser corpora` lists."""
    headings = ("dataset", "language", "hours", "utterances", "classes", "licence", "found")
    table = Table(
        *(Column(heading, overflow="fold", no_wrap=heading == "dataset") for heading in headings),
        title="Corpora that tokser knows",
        box=box.SIMPLE_HEAD,
        **_NARROW,
    )
    for one in corpora:
        table.add_row(
            f"{one.dataset} ({one.registered_by})" if one.registered_by else one.dataset,
            ", ".join(one.languages),
            "" if one.hours is None else f"{one.hours:g}",
            "" if one.num_utterances is None else f"{one.num_utterances:,}",
            str(len(one.classes) or ""),
            one.licence,
            Text(", ".join(one.found), "green"),
        )
    return table


def encoders_table(encoders: "Sequence[KnownEncoder]") -> Table:
    """Show what `tokser encoders` lists."""
    headings = ("encoder", "kind", "for instance --encoder", "a row", "from")
    table = Table(
        *(Column(heading, overflow="fold") for heading in headings),
        title="Encoders that tokser can run",
        box=box.SIMPLE_HEAD,
        **_NARROW,
    )
    for one in encoders:
        origin = Text(one.origin)
        if one.fault:
            origin.append(f"; {one.fault}", "red")
        table.add_row(*map(shown, (one.name, one.kind, one.example, one.rows)), origin)
    return table


def counts_of(manifest: pd.DataFrame) -> list[dict[str, Any]]:
    """Count a manifest's utterances, by label where it has labels, else by speaker's sex."""
    by = "label" if manifest["label"].any() else "sex"
    hours = manifest["num_samples"] / manifest["sampling_rate_hz"].clip(lower=1) / 3600
    parts = [(str(value) or "unknown", part) for value, part in manifest.groupby(by, sort=True)]
    return [_counts(by, value, part, hours) for value, part in [*parts, ("all", manifest)]]


def _counts(by: str, value: str, part: pd.DataFrame, hours: "pd.Series[float]") -> dict[str, Any]:
    known = part["speaker"][part["speaker"].ne("")]
    return {
        by: value,
        "num_utterances": len(part),
        "hours": float(hours[part.index].sum()),
        "num_speakers": int(known.nunique()),
        "num_without_speaker": len(part) - len(known),
    }


def counts_table(manifest: pd.DataFrame) -> Table:
    """Show the counts of a manifest."""
    counts = counts_of(manifest)
    by = next(iter(counts[0]))
    table = _table(by, "utterances", "hours", "speakers")
    for row in counts:
        if row is counts[-1]:
            table.add_section()
        without = row["num_without_speaker"]
        speakers = "unknown" if without == row["num_utterances"] else str(row["num_speakers"])
        if 0 < without < row["num_utterances"]:
            speakers += f", {without} without one"
        table.add_row(row[by], str(row["num_utterances"]), f"{row['hours']:.2f}", speakers)
    return table


def faults_table(reasons: Mapping[str, str]) -> Table:
    """List utterances in quarantine, and why."""
    table = _table("in quarantine", "reason", title=f"{len(reasons)} utterances in quarantine")
    _add_some(table, list(reasons.items()))
    return table


def transcripts_table(transcripts: "Mapping[str, Transcript]") -> Table:
    """Show how many transcripts were written, by language, and how surely."""
    table = _table("language", "recordings", "no speech", "repetition", "median confidence")
    rows = pd.DataFrame(
        [(one.language, one.note, one.confidence) for one in transcripts.values()],
        columns=["language", "note", "confidence"],
    )
    for language, part in rows.groupby("language"):
        counts = part["note"].value_counts()
        table.add_row(
            shown(str(language)),
            f"{len(part):,}",
            *(f"{counts.get(note, 0):,}" for note in ("no speech", "repetition")),
            _number(part["confidence"].median()),
        )
    return table


def probe_tables(table: "pd.DataFrame") -> list[Table]:
    """Show the score of each feature with its interval and control, a table for each target."""
    tables = []
    for target, part in table.groupby("target", sort=False):
        first = part.iloc[0]
        kinds = f"{int(first['num_classes'])} classes, " if first["metric"] == "uar" else ""
        title = (
            f"{target}: {kinds}n = {first['n']:,}, {first['num_groups']:,} {first['grouped_by']}s"
            f"{', ' + first['head'] if first['head'] == 'logreg' else ''}"
        )
        heading = f"{first['metric'].upper()} [95 %]"
        own = _table("feature", heading, "shuffled", "selectivity", title=title)
        for row in part.itertuples():
            ends = f" [{100 * row.low:.1f}, {100 * row.high:.1f}]" if row.low == row.low else ""
            own.add_row(
                shown(str(row.feature)),
                f"{100 * row.score:.1f}{ends}",
                f"{100 * row.control:.1f}",
                f"{100 * row.selectivity:.1f}",
            )
        tables.append(own)
    return tables


def similarity_tables(table: "pd.DataFrame") -> list[Table]:
    """Show for each feature the other one that is most like it."""
    tables = []
    others = table[(table["first"] != table["second"]) & table["cka"].notna()]
    for over, part in others.groupby("over", sort=False):
        title = f"over {int(part['num_samples'].max()):,} {over}"
        own = _table("feature", "most like", "CKA [95 %]", "R2 from it", title=title)
        for first, pairs in part.groupby("first", sort=False):
            best = pairs.loc[pairs["cka"].idxmax()]
            back = part[(part["first"] == best["second"]) & (part["second"] == first)]
            own.add_row(
                shown(str(first)),
                shown(str(best["second"])),
                f"{best['cka']:.2f}" + _ends(best["cka_low"], best["cka_high"]),
                f"{back['r2'].iloc[0]:.3f}",
            )
        tables.append(own)
    return tables


def word_errors_table(found: "WordErrors") -> Table:
    """Show error rates with their intervals."""
    rows = found.table
    title = f"{len(rows):,} transcripts compared; {found.normaliser}"
    table = _table("error rate", "value", "95 % interval", "over", title=title)
    for name, rate, unit in (("WER", found.wer, "words"), ("CER", found.cer, "characters")):
        interval = rate.interval
        ends = f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"
        table.add_row(
            name,
            f"{100 * rate.value:.1f} %",
            interval.missing or ends,
            f"{rows[unit].sum():,} {unit}, {interval.num_units:,} {found.units}",
        )
    return table


def _ends(low: float, high: float) -> str:
    return "" if low != low else f" [{low:.2f}, {high:.2f}]"


def _number(value: float) -> str:
    return "none" if value != value else f"{value:.2f}"


def predictions_table(predictions: pd.DataFrame) -> Table:
    """Show predictions: the label, and the three classes of the largest probability; or numbers."""
    names = predictions["id"].astype(str)
    folder = os.path.commonpath([os.path.dirname(name) for name in names]) if len(names) else ""  # noqa: PTH120
    only = names.nunique() == 1
    texts = [name for name in predictions.columns if name == "transcript"]
    values = [one for one in predictions.columns[3:] if not one.startswith("transcript")]
    heads = [] if only else ["recording"]
    table = _table(*heads, "from (s)", "to (s)", *_heads_of(values), *texts)
    table.title = shown(names.iloc[0] if only else folder) or None if len(names) else None
    rows = []
    for name, (_, row) in zip(names, predictions.iterrows(), strict=True):
        times = [f"{row[column]:.2f}" if row[column] == row[column] else "" for column in _TIMES]
        named = [] if only else [shown(name.removeprefix(folder).lstrip("/"))]
        said = [shown(str(row[name])) for name in texts]
        rows.append((*named, *times, *_cells_of(row[values]), *said))
    _add_some(table, rows)
    return table


def _heads_of(values: Sequence[str]) -> list[str]:
    sets = ["prediction set"] if _SET in values else []
    return ["label", "most probable", *sets] if "label" in values else list(values)


def _cells_of(values: "pd.Series[Any]") -> list[str]:
    """Write the label and its rivals; or numbers."""
    if "label" not in values.index:
        return [f"{value:.3f}" for value in values]
    sets = [shown(str(values[name])) for name in values.index if name == _SET]
    shares = (
        values.drop(["label", _SET], errors="ignore")
        .astype(float)
        .sort_values(ascending=False, kind="stable")
    )
    best = [f"{name.removeprefix('probability_')} {share:.1%}" for name, share in shares.items()]
    return [shown(values["label"]), shown(", ".join(best[:3])), *sets]


def damages_table(damages: Sequence[Damage]) -> Table:
    """List what `verify` found to be damaged."""
    table = _table("what", "shard", "utterances", "damage", title=f"{len(damages)} damages")
    rows = [
        (
            damage.what,
            "" if damage.shard is None else str(damage.shard),
            list_some(damage.utterances),
            damage.reason,
        )
        for damage in damages
    ]
    _add_some(table, rows)
    return table


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
    table = _table("made by", "what", title="provenance")
    for group, provenance in content["provenance"].items():
        if group.startswith(FUNCTIONALS):
            continue
        brief = {key: value for key, value in provenance.items() if key != COLUMNS}
        facts = [f"{k} {_short(value)}" for k, value in flattened(brief).items() if value != ""]
        table.add_row(group, ", ".join(facts))
    return table


def estimate_table(found: "Estimate") -> Table:
    """Show what an extraction will write."""
    table = _table("feature", "rows", "GB", "shards", "there already")
    for feature in found.features:
        table.add_row(
            feature.name,
            f"{feature.num_rows:,}",
            f"{feature.num_bytes / 1e9:.3f}",
            str(feature.num_shards),
            str(feature.num_shards_done),
        )
    return table


def summary_table(found: "Sequence[Summary]") -> Table:
    """Show what an extraction came to, by encoder."""
    table = Table(title="utterances of this run", box=box.SIMPLE_HEAD, **_NARROW)
    if any(one.num_windowed for one in found):
        table.caption = "over window: longer than the encoder's window, encoded window by window"
    table.add_column("\nencoder", overflow="fold")
    headings = ("\nusable", "encoded\nnow", "\nhours", "x real\ntime", "per\nsecond", "\nGB")
    for heading in (*headings, "resam-\npled", "over\nwindow", "quaran-\ntined"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        has_audio = one.kind == "speech"
        times = (
            f"{one.audio_s / one.seconds:.1f}" if has_audio and one.seconds and one.audio_s else ""
        )
        speed = f"{one.num_encoded / one.seconds:.1f}" if one.seconds and one.num_encoded else ""
        table.add_row(
            one.encoder,
            f"{one.num_usable:,}",
            f"{one.num_encoded:,}",
            f"{one.audio_s / 3600:.2f}" if has_audio else "",
            times,
            speed,
            f"{one.num_bytes / 1e9:.3f}",
            f"{one.num_resampled:,}",
            f"{one.num_windowed:,}",
            f"{one.num_quarantined:,}",
        )
    return table


def differences_table(found: "Sequence[Difference]") -> Table:
    """Show how far features of two stores lie apart."""
    sides = dict.fromkeys(" against ".join(side or "?" for side in one.made_by) for one in found)
    table = Table(title=", ".join(sides), box=box.SIMPLE_HEAD, **_NARROW)
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
    table = _table("feature", "utterances", "largest relative distance", "not the same")
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


def audit_tables(audits: "Mapping[str, Audit]") -> Iterator[Table]:
    """Show what the parts of each protocol share and lack, and what they are too small for."""
    table = Table(title="splits; what test shares with train or dev, at most in a fold")
    for heading in ("protocol", "folds", "train", "dev", "test"):
        table.add_column(heading, no_wrap=True)
    table.add_column("shared")
    for protocol, audit in audits.items():
        sizes = [
            str(low) if low == high else f"{low}..{high}" for low, high in audit.parts.values()
        ]
        shared = ", ".join(f"{count} {kind}" for kind, count in audit.shared.items() if count)
        shared = shared or ("nothing that is known" if audit.unknown_speakers else "nothing")
        table.add_row(protocol, str(audit.num_folds), *sizes, _stamped(audit.stamp, shared))
    yield table
    remarks = _table("protocol", "what to know")
    for protocol, audit in audits.items():
        for text in audit.remarks:
            remarks.add_row(protocol, text)
        if audit.missing_classes:
            remarks.add_row(protocol, f"classes missing: {list_some(audit.missing_classes)}")
        for kind, names in audit.examples.items():
            some = list_some(names, most=3, num_all=audit.shared.get(kind))
            remarks.add_row(protocol, f"{kind} shared, for instance {some}")
    if remarks.row_count:
        yield remarks
    yield from _near_duplicates(audits)


def _near_duplicates(audits: "Mapping[str, Audit]") -> Iterator[Table]:
    """List recordings that are nearly the same, on both sides of a fold."""
    compared = next((a.content for a in audits.values() if "threshold" in a.content), None)
    if compared is None:
        return
    table = _table(
        "protocol",
        "recording",
        "nearly the same",
        "cosine",
        title=f"near-duplicates: cosine >= {compared['threshold']:.2f} in {compared['feature']}; "
        f"{compared['num_pairs']} pairs in the corpus, others up to "
        f"{compared['nearest_below']:.2f}",
    )
    rows = [
        (protocol, pair.first, pair.second, f"{pair.cosine:.3f}")
        for protocol, audit in audits.items()
        for pair in audit.near_duplicates
    ]
    if not rows:
        rows = [("all", "none on both sides of a fold", "", "")]
    _add_some(table, rows)
    yield table


def _stamped(stamp: str, text: str) -> Text:
    """Put a stamp, in red, in front of a text."""
    return Text.assemble((shown(stamp), "red"), ": " if stamp else "", shown(text))


def results_tables(folders: Sequence[Path]) -> Iterator[Table]:
    """Show the scores of each results folder, two protocols side by side."""
    from tokser.report.renderers.terminal import render_terminal
    from tokser.report.summary import summary_tables

    for folder in folders:
        yield from map(render_terminal, summary_tables(folder))


def shared_tables(shared: pd.DataFrame) -> Iterator[Table]:
    """Show what every two parts of splits share."""
    from tokser.report.renderers.terminal import render_terminal
    from tokser.report.shared import shared_table

    if len(shared):
        yield render_terminal(shared_table(shared, "shared", "Splits"))


def _add_some(table: Table, rows: Sequence[tuple[str, ...]]) -> None:
    for row in rows[:_MOST_ROWS]:
        table.add_row(*row)
    if len(rows) > _MOST_ROWS:
        table.add_row(f"and {len(rows) - _MOST_ROWS} more", *[""] * (len(rows[0]) - 1))
