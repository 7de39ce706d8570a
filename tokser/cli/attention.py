"""`tokser attention`: attention weights as a picture."""

from pathlib import Path
from typing import Any

from tokser.cli.options import FILE, FOLDER, command, option
from tokser.cli.output import tell

__all__ = ["attention"]


@command(
    example="tokser attention --store workspace/stores/emodb.zarr \\\n"
    "  --checkpoint workspace/runs/librispeech --utterance 03a01Wa --out 03a01Wa.png"
)
@option(
    "--store",
    topic="Input",
    metavar="PATH|URL",
    required=True,
    help="Folder or URL of the store.",
)
@option(
    "--checkpoint",
    topic="Input",
    type=FOLDER,
    required=True,
    help="Folder of a pretraining run.",
)
@option("--utterance", topic="Input", metavar="ID", required=True, help="Id of an utterance.")
@option(
    "--tokenizer",
    topic="Input",
    default_text="auto: that of the store's text",
    help="Model whose tokenizer writes the tokens as text.",
)
@option(
    "--check/--no-check",
    topic="Computation",
    default=True,
    default_text="--check",
    help="Compare what is read from the store with its checksums.",
)
@option(
    "-o",
    "--out",
    topic="Output",
    type=FILE,
    required=True,
    help="Picture: .png, .svg or .pdf.",
)
def attention(store: str, checkpoint: Path, utterance: str, out: Path, **options: Any) -> None:
    """Draw the attention weights of an utterance: tokens down, seconds across.

    Shown is the mean of the heads where a variant has several.
    """
    from tokser.stages.attention import attention as draw

    tell(f"map -> {draw(store, checkpoint, utterance, out, **options)}")
