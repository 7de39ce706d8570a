"""The part of a model card that says how far probabilities and prediction sets can be believed."""

from typing import Any

from tokser.experiments.models.calibration import Calibration
from tokser.experiments.models.model import Model
from tokser.markdown import markdown_table, plain

__all__ = ["calibration_line", "calibration_sections"]

_MEASURES = {
    "ece": "expected calibration error (15 bins of equal mass)",
    "ece_equal_width": "the same, 15 bins of equal width",
    "classwise_ece": "classwise expected calibration error",
    "brier": "Brier score (0 to 2)",
    "nll": "negative log likelihood, nats",
    "aurc": "area under the risk-coverage curve",
}


def calibration_line(model: Model) -> str:
    """Return the calibration in one line; empty where there is none."""
    calibration = model.calibration
    if calibration is None:
        return ""
    before, after = (100 * row["ece"] for row in calibration.measures)
    return (
        f"calibration: temperature {calibration.temperature:.2f}, ECE {before:.1f} % before, "
        f"{after:.1f} % after"
    )


def calibration_sections(model: Model) -> list[str]:
    """Return the section on calibration; none where nothing was calibrated."""
    calibration = model.calibration
    if calibration is None:
        return []
    return [
        "## Calibration",
        _explained(calibration),
        _measures(calibration),
        "### Prediction sets",
        _sets_explained(calibration),
        _thresholds(calibration),
        *_by_group(calibration),
    ]


def _explained(calibration: Calibration) -> str:
    made = calibration.made_from
    outputs = ""
    if made.get("outputs") != "probabilities":
        outputs = " The head has none: what is calibrated is a softmax of its decision values."
    leaks = f" **{plain(made['leaks'])}: no estimate for new speakers.**" if made["leaks"] else ""
    note = f" The temperature is {plain(made['note'])}." if made.get("note") else ""
    return (
        f"Probabilities are scaled by the temperature {calibration.temperature:.3f} (above 1: the "
        "head was overconfident), which changes no label. It was fitted on the "
        f"{made['num_utterances']} test predictions of protocol `{plain(made['protocol'])}`, each "
        f"by a model that was not trained on that {made['unit']}; {made['num_units']} "
        f"{made['unit']}s.{note}{outputs}{leaks} Below, each {made['unit']} was calibrated by all "
        "others. `tokser predict --probabilities raw` gives the head's own."
    )


def _measures(calibration: Calibration) -> str:
    raw, calibrated = calibration.measures
    rows = [
        (title, _with_ends(raw, name), _with_ends(calibrated, name))
        for name, title in _MEASURES.items()
    ]
    expected = f"{raw['ece_if_calibrated']:.3f} (95 % below {raw['ece_if_calibrated_95']:.3f})"
    rows.insert(1, ("the same, if the head's probabilities were exact", expected, ""))
    header = ("measure [95 % interval], the smaller the better", "before", "after")
    return markdown_table(header, rows)


def _sets_explained(calibration: Calibration) -> str:
    return (
        "`tokser predict --sets` writes the classes among which the true one is as often as the "
        "coverage says. `speakers`: for speakers that are new, all utterances of one taken as "
        "dependent; `utterances`: as if all utterances were drawn alike, which new speakers are "
        "not. The thresholds come from models of folds and are used on this one, which was fitted "
        "on more: measured coverage counts more than the promise. Made by "
        f"`{calibration.set_score}`; a set always holds the label."
    )


def _thresholds(calibration: Calibration) -> str:
    rows = []
    for one in calibration.thresholds:
        whole = next(r for r in _rows(calibration, one.exchangeable, one.level) if _is_all(r))
        least = whole["least_coverage"]
        rows.append(
            (
                f"{one.exchangeable}, {100 * one.level:g} %",
                _percent(whole, "coverage"),
                f"{100 * least:.1f} % ({plain(str(whole['least_covered']))})",
                f"{_with_ends(whole, 'mean_set_size', 2)}",
                plain(one.promise),
            )
        )
    unit = calibration.made_from["unit"]
    header = ("sets", "coverage measured", f"least of a {unit}", "classes in a set", "promised for")
    return markdown_table(header, rows)


def _by_group(calibration: Calibration) -> list[str]:
    first = next((one for one in calibration.thresholds if one.value is not None), None)
    if first is None:
        return []
    rows = [
        (
            f"{row['group_kind']} {row['group']}",
            _percent(row, "coverage"),
            f"{row['mean_set_size']:.2f}",
            str(row["n_test"]),
        )
        for row in _rows(calibration, first.exchangeable, first.level)
        if not _is_all(row)
    ]
    title = f"Sets for {first.exchangeable} at {100 * first.level:g} %, by class and "
    title += f"{calibration.made_from['unit']}:"
    return [title, markdown_table(("group", "coverage", "classes in a set", "utterances"), rows)]


def _rows(calibration: Calibration, exchangeable: str, level: float) -> list[dict[str, Any]]:
    return [
        row
        for row in calibration.coverage
        if row["exchangeable"] == exchangeable and row["level"] == level
    ]


def _is_all(row: dict[str, Any]) -> bool:
    return bool(row["group_kind"] == "all")


def _with_ends(row: dict[str, Any], name: str, digits: int = 3) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    ends = "" if low is None or high is None else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{row[name]:.{digits}f}{ends}"


def _percent(row: dict[str, Any], name: str) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    ends = "" if low is None or high is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * row[name]:.1f} %{ends}"
