"""Which encoders there are: families of models, openSMILE, and what other packages register."""

from dataclasses import dataclass
from importlib import metadata

from tokser.encoders.opensmile_licence import LICENCE
from tokser.encoders.registered import ACOUSTIC, OPENSMILE
from tokser.errors import TokserError
from tokser.plugins import ENCODERS, Plugin, plugins

__all__ = ["KnownEncoder", "encoders", "registered_encoders"]


@dataclass(frozen=True)
class KnownEncoder:
    """An encoder, or a family of them, that `--encoder` takes.

    Attributes:
        name: Values of `model_type` in config.json, or what is written before the colon.
        kind: `speech`, `text`, or empty: only the encoder itself knows.
        example: What to write after `--encoder`.
        rows: How long a row is, and which recordings are cut.
        origin: Package that it comes from, with its version.
        fault: Why it cannot be used here; empty: it can.
    """

    name: str
    kind: str
    example: str
    rows: str
    origin: str
    fault: str = ""


_FAMILIES = (
    ("whisper", "speech", "openai/whisper-base", "20 ms; windows of 30 s"),
    (
        "wavlm, hubert, wav2vec2 (MMS, XLS-R), data2vec-audio",
        "speech",
        "microsoft/wavlm-base-plus",
        "20 ms; windows of 60 s that overlap",
    ),
    (
        "any other speech model of transformers with hidden states: sew, sew-d, unispeech, "
        "unispeech-sat, wav2vec2-bert, wav2vec2-conformer, speech_to_text, moonshine, ...",
        "speech",
        "facebook/w2v-bert-2.0",
        "measured when it is loaded; windows of 60 s that overlap",
    ),
    (
        "audio-spectrogram-transformer, clap",
        "speech",
        "MIT/ast-finetuned-audioset-10-10-0.4593",
        "0.1 s (AST), 0.31 s (CLAP); windows of about 10 s",
    ),
    (
        "bert, roberta, xlm-roberta, distilbert",
        "text",
        "bert-base-uncased",
        "a token; longer transcripts are refused",
    ),
)


def encoders() -> list[KnownEncoder]:
    """List the encoders there are; registered ones are imported to see whether they can be."""
    own = f"tokser {metadata.version('tokser')}"
    return [
        *(KnownEncoder(*family, own) for family in _FAMILIES),
        KnownEncoder(ACOUSTIC, "speech", ACOUSTIC, "an utterance: energy and pitch", own),
        _opensmile(),
        *registered_encoders(),
    ]


def registered_encoders() -> list[KnownEncoder]:
    """List what other packages register, with what is wrong with it."""
    return [_registered(plugin) for plugin in plugins(ENCODERS)]


def _opensmile() -> KnownEncoder:
    example, rows = f"{OPENSMILE}:eGeMAPSv02", "10 ms (lld), and one an utterance (functionals)"
    try:
        origin, fault = f"opensmile {metadata.version('opensmile')}, {LICENCE}", ""
    except metadata.PackageNotFoundError:
        origin, fault = f"opensmile, {LICENCE}", "not installed: pip install 'tokser[opensmile]'"
    return KnownEncoder(OPENSMILE, "speech", example, rows, origin, fault)


def _registered(plugin: Plugin) -> KnownEncoder:
    fault = ""
    try:
        if not callable(plugin.load()):
            fault = f"{plugin.value} is no function that returns an encoder"
    except TokserError as error:
        fault = error.got
    if plugin.name in (ACOUSTIC, OPENSMILE):
        fault = f"{plugin.name} is a name of tokser's own"
    about = "as its package says"
    return KnownEncoder(plugin.name, "", plugin.name, about, plugin.package, fault)
