"""Whisper, encoder and decoder: from waveforms to transcripts."""

import functools
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from tokser.corpora.waveform import SAMPLING_RATE_HZ
from tokser.encoders.checkpoint import Checkpoint, quiet_transformers
from tokser.encoders.model_files import reading
from tokser.encoders.weights import load_weights
from tokser.errors import SettingsError
from tokser.transcription.transcript import REPETITION, WINDOW_S, Transcript

__all__ = ["Whisper"]

_MOST_REPETITIVE = 2.4
"""Bytes of a text divided by its bytes when compressed, beyond which it repeats itself."""
_LEAST_LOG_PROBABILITY = -1.0
_TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)
_MOST_TOKENS = 224
_LONG = {
    "return_timestamps": True,
    "condition_on_prev_tokens": False,
    "temperature": (0.0, *_TEMPERATURES),
    "compression_ratio_threshold": 1.35,
    "logprob_threshold": _LEAST_LOG_PROBABILITY,
}
"""How transformers transcribes long recordings, as its documentation has it; the ratio is that of
token numbers, not of letters."""


@dataclass(frozen=True)
class _Seen:
    """What the first step of the decoder says of some windows.

    Attributes:
        no_speech: Probability that nobody speaks, of each.
        languages: The language of each.
    """

    no_speech: list[float]
    languages: list[str]


class Whisper:
    """A whole Whisper, frozen, in fp32.

    A window is decoded greedily, so its text depends neither on chance nor on its batch. A text
    that repeats itself is drawn again at temperatures 0.2 to 1.0, from a seed that is always the
    same. Nothing is written down where the probability of no speech is above the threshold, or
    above half of it with a mean log-probability below -1.

    Source: Radford et al. 2022, section 4.5. Departs: there, no speech also takes a mean
    log-probability below -1, so silence became "you"; and an unlikely text is drawn at random
    again, which makes it another one, not a better one.

    Args:
        checkpoint: Folder of the model; `find_whole` has made sure that it is one.
        device: Where it computes.
        no_speech_threshold: Probability of no speech beyond which nothing is written down.
    """

    def __init__(
        self, checkpoint: Checkpoint, device: torch.device, no_speech_threshold: float = 0.6
    ) -> None:
        self.checkpoint, self._device = checkpoint, device
        self._threshold = no_speech_threshold

    @functools.cached_property
    def _model(self) -> Any:
        return load_weights(WhisperForConditionalGeneration, self.checkpoint).to(self._device)  # type: ignore[arg-type]

    @functools.cached_property
    def _processor(self) -> Any:
        expected = "Whisper's tokenizer and preprocessor (tokenizer.json, preprocessor_config.json)"
        with reading(self.checkpoint, expected), quiet_transformers():
            return WhisperProcessor.from_pretrained(self.checkpoint.folder)

    @property
    def _languages(self) -> dict[str, int]:
        """Token of each language by its code; none of a Whisper for English alone."""
        tokens = getattr(self._model.generation_config, "lang_to_id", None) or {}
        return {name.strip("<|>"): number for name, number in tokens.items()}

    def spoken(self, language: str | None) -> str | None:
        """Return the language to transcribe in; None: it is detected.

        Raises:
            SettingsError: The model does not know it.
        """
        known = self._languages or {"en": 0}
        if language is not None and language not in known:
            raise SettingsError(
                f"language {language}",
                expected=f"a language that {self.checkpoint.name} knows",
                got="English alone" if len(known) == 1 else f"{len(known)} others",
                remedy="Use a multilingual Whisper, such as openai/whisper-base.",
            )
        return language if self._languages else "en"

    def transcribe(
        self, waveforms: Sequence[NDArray[np.float32]], languages: Sequence[str | None]
    ) -> list[Transcript]:
        """Transcribe recordings.

        Args:
            waveforms: Mono, 16 kHz, [num_samples] each.
            languages: Code of the language of each; None: it is detected.

        Returns:
            The transcript of each, whatever the others are.
        """
        spoken = [self.spoken(language) for language in languages]
        longest = WINDOW_S * SAMPLING_RATE_HZ
        short = [i for i, waveform in enumerate(waveforms) if len(waveform) <= longest]
        found: dict[int, Transcript] = {}
        with torch.inference_mode(), quiet_transformers():
            if short:
                texts = self._windows([waveforms[i] for i in short], [spoken[i] for i in short])
                found = dict(zip(short, texts, strict=True))
            for i, waveform in enumerate(waveforms):
                if i not in found:
                    found[i] = self._long(waveform, spoken[i])
        return [found[i] for i in range(len(waveforms))]

    def _windows(
        self, waveforms: Sequence[NDArray[np.float32]], spoken: Sequence[str | None]
    ) -> list[Transcript]:
        states = self._states(waveforms)
        seen = self._look(states)
        languages = [one or other for one, other in zip(spoken, seen.languages, strict=True)]
        decoded = self._decode(states, languages)
        found = []
        for i, (tokens, mean) in enumerate(decoded):
            if self._is_silent(seen.no_speech[i], mean):
                found.append(Transcript.without_speech(languages[i]))
                continue
            text, note = self._text(tokens), ""
            if _repeats(text):
                text, mean, note = self._again(states[i : i + 1], languages[i], text, mean)
            found.append(_transcript(text, languages[i], mean, note))
        return found

    def _is_silent(self, no_speech: float, mean: float) -> bool:
        is_unlikely = math.isnan(mean) or mean < _LEAST_LOG_PROBABILITY
        return no_speech > self._threshold or (is_unlikely and no_speech > self._threshold / 2)

    def _states(self, waveforms: Sequence[NDArray[np.float32]]) -> torch.Tensor:
        """Return the encoder's output of windows, each padded to 30 s, [windows, 1500, dim]."""
        features = self._features(list(waveforms)).input_features
        states: torch.Tensor = self._model.model.encoder(
            features.to(self._device)
        ).last_hidden_state
        return states

    def _features(self, waveforms: list[NDArray[np.float32]], **options: Any) -> Any:
        return self._processor.feature_extractor(
            waveforms, sampling_rate=SAMPLING_RATE_HZ, return_tensors="pt", **options
        )

    def _look(self, states: torch.Tensor) -> _Seen:
        """Take the decoder's first step, which says whether somebody speaks, and what language."""
        config = self._model.generation_config
        start = torch.full(
            (len(states), 1), config.decoder_start_token_id, device=self._device, dtype=torch.long
        )
        logits = self._model(encoder_outputs=(states,), decoder_input_ids=start).logits[:, 0]
        chances = logits.float().softmax(-1)
        # The token before <|notimestamps|> is <|nospeech|>, under one of its two names.
        no_speech = chances[:, config.no_timestamps_token_id - 1].tolist()
        if not self._languages:
            return _Seen(no_speech, ["en"] * len(states))
        codes, numbers = list(self._languages), list(self._languages.values())
        best = chances[:, numbers].argmax(-1).tolist()
        return _Seen(no_speech, [codes[place] for place in best])

    def _decode(
        self, states: torch.Tensor, languages: Sequence[str], temperature: float = 0.0
    ) -> list[tuple[list[int], float]]:
        """Return the tokens of each text, and the mean of their log-probabilities."""
        from transformers.modeling_outputs import BaseModelOutput

        made = self._model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            return_timestamps=False,
            temperature=temperature,
            max_new_tokens=self._most_tokens,
            return_dict_in_generate=True,
            output_logits=True,
            **self._prompt(list(languages)),
        )
        logits = torch.stack(list(made.logits), dim=1)  # [windows, tokens, vocabulary]
        written = made.sequences[:, -logits.shape[1] :]
        return [self._counted(*one) for one in zip(written, logits, strict=True)]

    def _counted(self, tokens: torch.Tensor, logits: torch.Tensor) -> tuple[list[int], float]:
        """Return the tokens of the text alone, and the mean of their log-probabilities."""
        end = self._model.generation_config.eos_token_id
        ends = (tokens == end).nonzero()
        tokens = tokens[: int(ends[0])] if len(ends) else tokens
        kept = (tokens < end).nonzero()[:, 0]
        if not len(kept):
            return [], math.nan
        chances = logits[kept].float().log_softmax(-1)
        means = chances.gather(-1, tokens[kept, None].to(chances.device)).mean()
        return tokens[kept].tolist(), float(means)

    @property
    def _most_tokens(self) -> int:
        return min(_MOST_TOKENS, int(self._model.config.max_target_positions) - 8)

    def _prompt(self, languages: list[str] | str) -> dict[str, Any]:
        if not self._languages:
            return {}
        return {"language": languages, "task": "transcribe"}

    def _text(self, tokens: Sequence[int]) -> str:
        text: str = self._processor.tokenizer.decode(tokens, skip_special_tokens=True)
        return " ".join(text.split())

    def _again(
        self, states: torch.Tensor, language: str, greedy: str, mean: float
    ) -> tuple[str, float, str]:
        """Draw a text until one does not repeat itself; text, mean log-probability and note."""
        for temperature in _TEMPERATURES:
            with _seeded(self._device):
                ((tokens, other),) = self._decode(states, [language], temperature)
            text = self._text(tokens)
            if text and not _repeats(text):
                return text, other, ""
        return greedy, mean, REPETITION

    def _long(self, waveform: NDArray[np.float32], spoken: str | None) -> Transcript:
        """Transcribe more than a window by the algorithm of transformers."""
        language = spoken
        if language is None:
            first = waveform[: WINDOW_S * SAMPLING_RATE_HZ]
            language = self._look(self._states([first])).languages[0]
        given = self._features(
            [waveform], truncation=False, padding="longest", return_attention_mask=True
        )
        with _seeded(self._device):
            made = self._model.generate(
                given.input_features.to(self._device),
                attention_mask=given.attention_mask.to(self._device),
                no_speech_threshold=self._threshold,
                max_new_tokens=self._most_tokens,
                return_dict_in_generate=True,
                output_logits=True,
                output_scores=True,
                return_segments=True,
                **_LONG,
                **self._prompt(language),
            )
        tokens: list[int] = []
        means: list[float] = []
        for window in _by_window(made["segments"][0]):
            written, mean = self._of_window(window)
            if written and not self._is_silent(self._no_speech(waveform, window), mean):
                tokens += written
                means += [mean] * len(written)
        text = self._text(tokens)
        if not text:
            return Transcript.without_speech(language)
        return _transcript(
            text, language, float(np.mean(means)), REPETITION if _repeats(text) else ""
        )

    def _of_window(self, segments: Sequence[Any]) -> tuple[list[int], float]:
        """Return the text tokens of a window's segments, and their mean log-probability."""
        result = segments[0]["result"]
        logits = torch.stack(list(result["logits"]))
        skipped = len(result["sequences"]) - len(logits)
        first, after = segments[0]["idxs"][0] - skipped, segments[-1]["idxs"][1] - skipped
        written = torch.cat([one["tokens"] for one in segments]).cpu()
        return self._counted(written[: after - first], logits[first:after].cpu())

    def _no_speech(self, waveform: NDArray[np.float32], segments: Sequence[Any]) -> float:
        """Return the probability that nobody speaks from the first to the last of some segments."""
        start, end = float(segments[0]["start"]), float(segments[-1]["end"])
        piece = waveform[int(start * SAMPLING_RATE_HZ) : math.ceil(end * SAMPLING_RATE_HZ)]
        if not len(piece):
            return 1.0
        return self._look(self._states([piece])).no_speech[0]


def _transcript(text: str, language: str, mean: float, note: str) -> Transcript:
    if not text or math.isnan(mean):
        return Transcript.without_speech(language)
    return Transcript(text, language, math.exp(mean), note)


def _repeats(text: str) -> bool:
    """Tell whether a text says the same again and again, which a decoder in a loop does."""
    content = text.encode()
    return bool(content) and len(content) / len(zlib.compress(content)) > _MOST_REPETITIVE


def _by_window(segments: Sequence[Any]) -> Iterator[list[Any]]:
    """Group segments by the window that they were decoded from."""
    group: list[Any] = []
    for segment in segments:
        if group and segment["result"] is not group[-1]["result"]:
            yield group
            group = []
        group.append(segment)
    if group:
        yield group


@contextmanager
def _seeded(device: torch.device) -> Iterator[None]:
    """Draw the same numbers within each such block; the caller's generators are left alone."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield
