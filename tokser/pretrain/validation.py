"""Scores of an aligner on the dev part, beside those of mismatched speech and of text alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from tokser.pretrain.aligner import Aligner, AlignerInput
from tokser.pretrain.attention_metrics import entropy, monotonicity
from tokser.pretrain.batches import Batch, DevBatch
from tokser.pretrain.chunks import align_in_chunks, in_chunks
from tokser.pretrain.distributed_loss import gather_rows
from tokser.pretrain.metrics import HEADLINE
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

_STUDENTS = ("matched", "mismatched", "text_only")


@dataclass
class _Collected:
    """Rows of the dev part's batches so far, one utterance after the other."""

    rows: dict[str, list[Tensor]] = field(default_factory=dict)
    num_maps: int = 0

    def add(self, name: str, rows: Tensor) -> None:
        self.rows.setdefault(name, []).append(rows)

    def take(self) -> dict[str, Tensor]:
        """Return what all processes collected, and begin again."""
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
        units: Independent units of the intervals; every utterance by default.

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
        """Align a batch with matched and with mismatched speech."""
        collected = self._collected
        for name, part in (("matched", batch.matched), ("mismatched", batch.mismatched)):
            student = align_in_chunks(aligner, part.inputs).float()
            if name == "matched" and not bool(student.isfinite().all()):
                self._require_finite(batch.matched)
            collected.add(name, student)
            if collected.num_maps < _MOST_MAPS:
                measured = in_chunks(aligner, partial(_of_maps, aligner), part.inputs)
                for measure, values in zip(("entropy", "diagonality"), measured, strict=True):
                    collected.add(f"{measure}_{name}", values)
        collected.num_maps += len(batch.matched.ids)
        if text_only is not None:
            collected.add("text_only", text_only(batch.matched.inputs.queries).float())
        collected.add("teacher", batch.matched.teacher)
        device = batch.matched.teacher.device
        collected.add("num_tokens", batch.matched.num_tokens.to(device))
        if self._units is not None:
            numbers = [self._units.number_of[name] for name in batch.matched.ids]
            collected.add("units", torch.tensor(numbers, device=device))
        if self._equal is None:
            collected.add("queries", batch.matched.inputs.queries)

    def scores(self) -> dict[str, float]:
        """Score the whole dev part, of all processes; then begin again."""
        found = self._collected.take()
        teacher, num_tokens = found["teacher"], found["num_tokens"].tolist()
        if self._equal is None:
            self._equal = find_equal(teacher)
            self._upper_bound = query_upper_bound(found["queries"], teacher, self._equal)
        students = [name for name in _STUDENTS if name in found]
        whole = {name: retrieve(found[name], teacher, equal=self._equal) for name in students}
        own = whole["matched"]
        back = retrieve(teacher, found["matched"], equal=self._equal)
        matched = {name: result.matched for name, result in (*whole.items(), ("back", back))}
        matched |= {
            f"{name}_within": within_utterance_matches(found[name], teacher, num_tokens)
            for name in students
        }
        matched["back_within"] = within_utterance_matches(teacher, found["matched"], num_tokens)
        scores = self._rates(matched, found)
        scores |= {
            "dev_mrr": own.mrr,
            "dev_recall_at_5": own.recall_at_5,
            "dev_chance": own.chance,
            "dev_chance_within": len(num_tokens) / len(teacher),
            "dev_text_only_upper_bound": self._upper_bound,
        }
        for name in ("matched", "mismatched"):
            suffix = "" if name == "matched" else "_mismatched"
            scores[f"attention_entropy{suffix}"] = _mean(found[f"entropy_{name}"])
            scores[f"attention_monotonicity{suffix}"] = _mean(found[f"diagonality_{name}"])
        return scores

    def _rates(self, matched: dict[str, Tensor], found: dict[str, Tensor]) -> dict[str, float]:
        """Return match rates and gains with their intervals, and the numbers of their units."""
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
    scores = by_unit.rate(column, f"matched{of}")
    scores |= by_unit.rate(f"{column}_mismatched", f"mismatched{of}")
    scores |= by_unit.gain(f"speech_gain{of}", f"matched{of}", f"mismatched{of}")
    if f"text_only{of}" in by_unit.matches:
        scores |= by_unit.rate(f"{column}_text_only", f"text_only{of}")
        scores |= by_unit.gain(f"speech_gain_text_only{of}", f"matched{of}", f"text_only{of}")
    return scores | by_unit.rate(f"{column}_back", f"back{of}")


def _of_maps(aligner: Aligner, inputs: AlignerInput) -> tuple[Tensor, Tensor]:
    """Return entropy and monotonicity of each utterance's attention weights."""
    maps, lengths = aligner.attention_map(inputs), (inputs.num_tokens, inputs.num_frames)
    return entropy(maps, *lengths), monotonicity(maps, *lengths)


def _mean(values: Tensor) -> float:
    return float(values.mean()) if len(values) else 0.0
