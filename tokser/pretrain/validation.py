"""Scores of an aligner on the dev part, beside those of everything that does not listen."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from tokser.pretrain.aligner import Aligner
from tokser.pretrain.batches import Batch, DevBatch
from tokser.pretrain.listening import diagonality, entropy
from tokser.pretrain.ranks import gather_rows
from tokser.pretrain.retrieval import find_equal, retrieve, within_utterance_match_rate

__all__ = ["HEADLINE", "Validation"]

HEADLINE = "dev_match_rate"
"""What chooses the best epoch: the 1-NN match rate over the whole dev part."""
_MOST_MAPS = 512
"""Utterances whose attention is looked at."""

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

    Source: report, section 4.3. Departs: the rate is taken over the whole dev part, with the
    controls beside it; within an utterance it says little about speech.
    """

    def __init__(self, require_finite: Callable[[Batch], None]) -> None:
        self._require_finite = require_finite
        self._collected = _Collected()
        self._equal: Tensor | None = None  # the dev part is the same at every validation
        self._ceiling = 0.0

    def add(self, aligner: Aligner, text_only: nn.Module | None, batch: DevBatch) -> None:
        """Align a batch with the right and with the wrong speech."""
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
        collected.add("num_tokens", batch.right.num_tokens.to(batch.right.teacher.device))
        if self._equal is None:
            collected.add("queries", batch.right.heard.queries)

    def scores(self) -> dict[str, float]:
        """Score the whole dev part, of all processes; what was collected is forgotten."""
        found = self._collected.take()
        teacher, num_tokens = found["teacher"], found["num_tokens"].tolist()
        if self._equal is None:
            self._equal = find_equal(teacher)
            self._ceiling = len(torch.unique(found["queries"], dim=0)) / len(teacher)
        looks = {
            name: retrieve(found[name], teacher, equal=self._equal)
            for name in _STUDENTS
            if name in found
        }
        within = {
            name: within_utterance_match_rate(found[name], teacher, num_tokens) for name in looks
        }
        back = retrieve(teacher, found["right"], equal=self._equal)
        right, shuffled = looks["right"], looks["shuffled"]
        scores = {
            HEADLINE: right.match_rate,
            "dev_match_rate_shuffled": shuffled.match_rate,
            "speech_gain": right.match_rate - shuffled.match_rate,
            "dev_match_rate_within": within["right"],
            "dev_match_rate_within_shuffled": within["shuffled"],
            "speech_gain_within": within["right"] - within["shuffled"],
            "dev_match_rate_back": back.match_rate,
            "dev_match_rate_within_back": within_utterance_match_rate(
                teacher, found["right"], num_tokens
            ),
            "dev_mrr": right.mrr,
            "dev_recall_at_5": right.recall_at_5,
            "dev_chance": right.chance,
            "dev_chance_within": len(num_tokens) / len(teacher),
            "dev_ceiling_text_only": self._ceiling,
        }
        if "text_only" in looks:
            scores["dev_match_rate_text_only"] = looks["text_only"].match_rate
            scores["dev_match_rate_within_text_only"] = within["text_only"]
        for name in ("right", "shuffled"):
            suffix = "" if name == "right" else "_shuffled"
            scores[f"attention_entropy{suffix}"] = _mean(found[f"entropy_{name}"])
            scores[f"attention_diagonality{suffix}"] = _mean(found[f"diagonality_{name}"])
        return scores


def _mean(values: Tensor) -> float:
    return float(values.mean()) if len(values) else 0.0
