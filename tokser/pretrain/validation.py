"""Scores of an aligner on the dev part, beside those of mismatched speech and of no speech."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from tokser.pretrain.aligner import Aligner
from tokser.pretrain.batches import Batch, DevBatch
from tokser.pretrain.listening import diagonality, entropy
from tokser.pretrain.metrics import HEADLINE
from tokser.pretrain.ranks import gather_rows
from tokser.pretrain.rates import DevUnits, UnitMatches, count_matches
from tokser.pretrain.retrieval import (
    find_equal,
    query_upper_bound,
    retrieve,
    within_utterance_matches,
)

__all__ = ["Validation"]

_MOST_MAPS = 512
"""Utterances whose attention weights are measured."""

_STUDENTS = ("right", "shuffled", "text_only")


@dataclass
class _Collected:
    """What the dev part's batches left so far; rows lie one utterance after the other."""

    rows: dict[str, list[Tensor]] = field(default_factory=dict)
    num_maps: int = 0

    def add(self, name: str, rows: Tensor) -> None:
        self.rows.setdefault(name, []).append(rows)

    def take(self) -> dict[str, Tensor]:
        """Return what all processes collected, and forget it."""
        found = {
            name: torch.cat(gather_rows(torch.cat(parts))) for name, parts in self.rows.items()
        }
        self.rows.clear()
        self.num_maps = 0
        return found


class Validation:
    """Collects students batch by batch, then scores the whole dev part.

    Args:
        require_finite: Raises, naming the utterance, if a batch's rows are not finite.
        units: What intervals rest on; every utterance by default.

    Source: paper, section 4.3. Departs: the rate is taken over the whole dev part, with
    mismatched speech and the text-only baseline beside it, and intervals; within an utterance it
    says little about speech.
    """

    def __init__(
        self, require_finite: Callable[[Batch], None], units: DevUnits | None = None
    ) -> None:
        self._require_finite, self._units = require_finite, units
        self._collected = _Collected()
        self._equal: Tensor | None = None  # the dev part is the same at every validation
        self._upper_bound = 0.0

    def add(self, aligner: Aligner, text_only: nn.Module | None, batch: DevBatch) -> None:
        """Align a batch with its own and with mismatched speech."""
        collected = self._collected
        for name, part in (("right", batch.right), ("shuffled", batch.wrong)):
            student = aligner(part.heard).float()
            if name == "right" and not bool(student.isfinite().all()):
                self._require_finite(batch.right)
            collected.add(name, student)
            if collected.num_maps < _MOST_MAPS:
                maps = aligner.attention_map(part.heard)
                lengths = part.heard.num_tokens, part.heard.num_frames
                collected.add(f"entropy_{name}", entropy(maps, *lengths))
                collected.add(f"diagonality_{name}", diagonality(maps, *lengths))
        collected.num_maps += len(batch.right.ids)
        if text_only is not None:
            collected.add("text_only", text_only(batch.right.heard.queries).float())
        collected.add("teacher", batch.right.teacher)
        device = batch.right.teacher.device
        collected.add("num_tokens", batch.right.num_tokens.to(device))
        if self._units is not None:
            numbers = [self._units.number_of[name] for name in batch.right.ids]
            collected.add("units", torch.tensor(numbers, device=device))
        if self._equal is None:
            collected.add("queries", batch.right.heard.queries)

    def scores(self) -> dict[str, float]:
        """Score the whole dev part, of all processes; what was collected is forgotten."""
        found = self._collected.take()
        teacher, num_tokens = found["teacher"], found["num_tokens"].tolist()
        if self._equal is None:
            self._equal = find_equal(teacher)
            self._upper_bound = query_upper_bound(found["queries"], teacher, self._equal)
        students = [name for name in _STUDENTS if name in found]
        whole = {name: retrieve(found[name], teacher, equal=self._equal) for name in students}
        right = whole["right"]
        back = retrieve(teacher, found["right"], equal=self._equal)
        matched = {name: result.matched for name, result in (*whole.items(), ("back", back))}
        matched |= {
            f"{name}_within": within_utterance_matches(found[name], teacher, num_tokens)
            for name in students
        }
        matched["back_within"] = within_utterance_matches(teacher, found["right"], num_tokens)
        scores = self._rates(matched, found)
        scores |= {
            "dev_mrr": right.mrr,
            "dev_recall_at_5": right.recall_at_5,
            "dev_chance": right.chance,
            "dev_chance_within": len(num_tokens) / len(teacher),
            "dev_text_only_upper_bound": self._upper_bound,
        }
        for name in ("right", "shuffled"):
            suffix = "" if name == "right" else "_shuffled"
            scores[f"attention_entropy{suffix}"] = _mean(found[f"entropy_{name}"])
            scores[f"attention_diagonality{suffix}"] = _mean(found[f"diagonality_{name}"])
        return scores

    def _rates(self, matched: dict[str, Tensor], found: dict[str, Tensor]) -> dict[str, float]:
        """Return match rates and gains with their intervals, and what these rest on."""
        counts = found["num_tokens"].cpu().numpy()
        units = found["units"].cpu().numpy() if "units" in found else np.arange(len(counts))
        by_unit = count_matches(
            {name: tokens.cpu().numpy() for name, tokens in matched.items()}, counts, units
        )
        are_speakers = self._units is not None and self._units.are_speakers
        return {
            **_rates_and_gains(by_unit, ""),
            **_rates_and_gains(by_unit, "_within"),
            "dev_num_utterances": float(len(counts)),
            "dev_num_speakers": float(len(by_unit.num_tokens)) if are_speakers else 0.0,
        }


def _rates_and_gains(by_unit: UnitMatches, of: str) -> dict[str, float]:
    """Return the columns of the match rates over the whole dev part, or `_within` utterances."""
    column = f"{HEADLINE}{of}"
    scores = by_unit.rate(column, f"right{of}")
    scores |= by_unit.rate(f"{column}_shuffled", f"shuffled{of}")
    scores |= by_unit.gain(f"speech_gain{of}", f"right{of}", f"shuffled{of}")
    if f"text_only{of}" in by_unit.matches:
        scores |= by_unit.rate(f"{column}_text_only", f"text_only{of}")
        scores |= by_unit.gain(f"speech_gain_text_only{of}", f"right{of}", f"text_only{of}")
    return scores | by_unit.rate(f"{column}_back", f"back{of}")


def _mean(values: Tensor) -> float:
    return float(values.mean()) if len(values) else 0.0
