"""Encoders that are no model folders: acoustic, openSMILE, and what other packages register."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tokser.config import PrecisionName
from tokser.encoders.base import Encoder, SpeechEncoder, TextEncoder
from tokser.errors import MissingPackageError, TokserError
from tokser.names import Name
from tokser.plugins import ENCODERS, Plugin, find_plugin

if TYPE_CHECKING:
    import torch

__all__ = ["ACOUSTIC", "OPENSMILE", "EncoderFactory", "Registered", "find_registered"]

ACOUSTIC, OPENSMILE = "acoustic", "opensmile"
_METHODS = ("provenance", "prepare", "forward", "encode")
_OF_SPEECH = ("num_frames", "batches", "provenance_of_long")
_OF_TEXT = ("tokenize", "word_embeddings", "token_texts")


class EncoderFactory(Protocol):
    """What an entry point of the group `tokser.encoders` names."""

    def __call__(
        self, argument: str, *, device: "torch.device", precision: PrecisionName
    ) -> SpeechEncoder | TextEncoder:
        """Return an encoder.

        Args:
            argument: What follows the colon of `--encoder NAME:ARGUMENT`; empty: nothing does.
            device: Where it is to compute.
            precision: Type of weights and matrix products.
        """


@dataclass(frozen=True)
class Registered:
    """A name that `--encoder` takes, with what follows its colon.

    Attributes:
        name: For instance `opensmile`.
        argument: For instance `eGeMAPSv02`; may be empty.
        plugin: Who registers it; None: tokser itself.
    """

    name: str
    argument: str
    plugin: Plugin | None = None

    def load(self, device: "torch.device", precision: PrecisionName) -> SpeechEncoder | TextEncoder:
        """Return the encoder.

        Raises:
            MissingPackageError: Its package is not installed, or fails.
            InputError: It does not take this argument.
        """
        if self.name == ACOUSTIC:
            from tokser.encoders.acoustic import load_acoustic

            return load_acoustic(self.argument)
        if self.plugin is None:
            from tokser.encoders.opensmile import load_opensmile

            return load_opensmile(self.argument)
        factory = self.plugin.load()
        try:
            encoder = factory(self.argument, device=device, precision=precision)
        except TokserError:
            raise
        except Exception as error:
            raise self.plugin.fault(error) from error
        _require_encoder(self.plugin, encoder)
        checked: SpeechEncoder | TextEncoder = encoder
        return checked


def find_registered(source: str) -> Registered | None:
    """Return the encoder that a source such as `opensmile:eGeMAPSv02` names; None: a model.

    A folder of the name comes first, and the path of one is never the name of an encoder.
    """
    name, _, argument = source.partition(":")
    if not name or "/" in name or name.startswith((".", "~")) or Path(source).is_dir():
        return None
    if name in (ACOUSTIC, OPENSMILE):
        return Registered(name, argument)
    plugin = find_plugin(ENCODERS, name)
    return Registered(name, argument, plugin) if plugin else None


def _require_encoder(plugin: Plugin, encoder: Any) -> None:
    """Raise unless a registered factory returned an encoder."""
    kind = getattr(encoder, "kind", None)
    more = {"speech": _OF_SPEECH, "text": _OF_TEXT}.get(str(kind), ("kind",))
    wanted = [*Encoder.__annotations__, *_METHODS, *more]
    lacking = [name for name in wanted if not hasattr(encoder, name)]
    if lacking or inspect.isclass(encoder):
        raise MissingPackageError(
            f"{plugin.name}, registered by {plugin.package}",
            expected="a function that returns an encoder (tokser.encoders.SpeechEncoder or "
            "TextEncoder)",
            got=f"a {type(encoder).__name__} without {', '.join(lacking) or 'an instance'}",
            remedy="Ask its authors; docs/extend/encoder.md says what an encoder has.",
        )
    Name.of(encoder.name, f"{plugin.name}, registered by {plugin.package}: name of the encoder")
