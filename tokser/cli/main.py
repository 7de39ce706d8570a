"""The command `tokser`: lists the commands, loads the one that is called, reports wrong calls."""

import functools
import importlib
import io
import platform
import sys
from collections.abc import Callable
from typing import Any

import click

from tokser import __version__
from tokser.cli.failures import EXIT_CODES
from tokser.cli.help import ENVIRONMENT, TopicGroup
from tokser.cli.output import tell
from tokser.cli.process import own_process
from tokser.progress import LOGGER

__all__ = ["FIRST_STEPS", "main"]

_COMMANDS = {
    "doctor": "Show what is installed, what is missing, and how to repair it.",
    "demo": "Run everything on synthetic speech, no download.",
    "download": "Fetch DATASET, check it, and unpack it.",
    "corpora": "List the corpora that tokser knows, and which of them are there.",
    "encoders": "List the encoders that tokser can run, and those that other packages register.",
    "manifest": "List the utterances of a corpus in a CSV manifest.",
    "transcribe": "Fill the missing transcripts of a manifest by Whisper.",
    "extract": "Run frozen encoders over a corpus, once, into a store.",
    "pretrain": "Train the aligner on a store of speech and text.",
    "align": "Add the feature RUN/aligned to a store.",
    "attention": "Draw the attention weights of an utterance: tokens down, seconds across.",
    "pool": "Write mean and standard deviation of features over their frames or tokens.",
    "probe": "Show which layer knows what: emotion, speaker, sex, sentence, duration, pitch.",
    "similarity": "Show how alike the features of a store are, layer by layer.",
    "labels": "Show which labels are doubtful, and write a page to hear them and to decide.",
    "relabel": "Write a new manifest with the labels that DECISIONS say.",
    "scaling": "Show how scores grow with training speakers and utterances.",
    "audit": "Show what the parts of splits share, and what they lack.",
    "classify": "Train and score emotion classifiers.",
    "transfer": "Train emotion classifiers on one corpus and test them on another.",
    "regress": "Predict valence, arousal and dominance (IEMOCAP), scored by concordance (CCC).",
    "fit": "Train a model on everything, and keep it with its score in a folder.",
    "tune": "Train an encoder's upper blocks and a head from a stored layer.",
    "apply": "Add the layers of tuned blocks to a store.",
    "predict": "Predict the emotion of recordings with a trained model.",
    "export-model": "Write a trained model as ONNX, which other programs run.",
    "report": "Write a page of tables and plots, or tables and figures for a paper.",
    "compare-results": "Show what results folders differ in, and whether their scores do.",
    "run": "Run a declared pipeline, skipping what is done.",
    "store": "Look into a store, check it, repair it, change it, copy it.",
    "push": "Share a store or a model: on the hub, in a bucket, or in a folder.",
    "pull": "Fetch a shared store or model, or some of its features.",
    "compare": "Show how much features of STORE_A and STORE_B differ.",
}
"""Commands in the order in which data flows, each in the file of its name, with the first sentence
of its help: `tokser --help` imports none of them."""

FIRST_STEPS = """\
tokser runs frozen speech and text encoders over an emotion corpus once, and experiments on what
they gave. Five steps:

  1. Look.     tokser doctor                  what is installed, what is missing, what to do
               tokser demo                    all of it on synthetic speech, no download
  2. Corpus.   tokser download emodb          40 MB; your own: tokser manifest csv --help
  3. Extract.  tokser extract --dataset emodb --root corpora/emodb --layers all \\
                 --encoder openai/whisper-base --store workspace/stores/emodb.zarr
  4. Pool.     tokser pool --store workspace/stores/emodb.zarr
  5. Score.    tokser classify --dataset emodb
               tokser report workspace/results/emodb --out emodb.html

Each can be stopped and called again. `tokser --help` lists every command, `tokser COMMAND --help`
every option."""


class _Commands(TopicGroup):
    """Loads a command when it is called."""

    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> Any:
        """Run the command that the arguments name, in a process that is set up for it."""
        run: Callable[[], Any] = functools.partial(
            super().main, *args, standalone_mode=False, **kwargs
        )
        if not standalone_mode:
            return run()
        with own_process():
            try:
                code = run()
            except click.ClickException as error:
                # click writes what was typed, which may hold a password or an escape sequence.
                message = io.StringIO()
                error.show(file=message)
                tell(message.getvalue().rstrip("\n"), err=True)
                code = error.exit_code
            except click.Abort:
                tell("Stopped.", err=True)
                code = 1
            sys.exit(code if isinstance(code, int) else 0)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which data flows."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in _COMMANDS:
            return None
        module = cmd_name.replace("-", "_")
        found: click.Command = getattr(importlib.import_module(f"tokser.cli.{module}"), module)
        return found

    def first_sentence(self, ctx: click.Context, name: str) -> str:
        """Return what a command does, without importing it."""
        return _COMMANDS[name]


@click.group(
    cls=_Commands,
    epilog=f"{ENVIRONMENT}\n\n{EXIT_CODES}",
    invoke_without_command=True,
    context_settings={"max_content_width": 100, "auto_envvar_prefix": "TOKSER"},
)
@click.version_option(__version__, prog_name="tokser")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Extract frozen speech and text activations once, then experiment in seconds.

    `tokser demo` does all of it on speech that it synthesises itself.
    """
    LOGGER.debug("tokser %s, Python %s", __version__, platform.python_version())
    if ctx.invoked_subcommand is None:
        tell(FIRST_STEPS)
