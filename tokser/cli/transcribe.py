"""`tokser transcribe`: missing transcripts by machine, and how far others are from given ones."""

import sys
from typing import Any

from tokser.cli.options import command, json_option, settings_of, threads_option
from tokser.cli.output import QUARANTINED_EXIT, print_json, show, tell
from tokser.config import TranscribeSettings

__all__ = ["transcribe"]


@command(
    example="tokser transcribe mine.csv --root audio --encoder openai/whisper-base\n"
    "tokser transcribe mine.csv --root audio --check --check-most 100"
)
@settings_of(TranscribeSettings)
@json_option
@threads_option
def transcribe(given: dict[str, Any], *, as_json: bool) -> None:
    """Fill the missing transcripts of a manifest by Whisper.

    Transcripts that are there stay as they are. The new manifest says beside each new one which
    model wrote it, in which language, and with which confidence. Where nobody speaks the transcript
    stays empty. Run it again to go on where it was stopped. With --check it also shows how far
    Whisper is from the transcripts that are there. Recordings that cannot be read: exit code 3.
    """
    settings = TranscribeSettings.parse(given, where="tokser transcribe")
    from tokser.stages.transcribe import transcribe as run

    done = run(settings)
    if as_json:
        print_json(_content(done))
        sys.exit(QUARANTINED_EXIT if done.quarantined else 0)
    from tokser.terminal.manifests import faults_table
    from tokser.terminal.transcripts import transcripts_table, word_errors_table

    if done.out is not None:
        show(transcripts_table(done.transcripts))
        tell(f"{len(done.transcripts):,} transcripts -> {done.out}")
    if done.errors is not None:
        show(word_errors_table(done.errors))
        tell(f"utterance by utterance -> {done.errors_out}")
    if done.quarantined:
        show(faults_table(done.quarantined))
        sys.exit(QUARANTINED_EXIT)


def _content(done: Any) -> dict[str, Any]:
    content: dict[str, Any] = {
        "out": done.out,
        "transcripts": {name: one.as_json() for name, one in done.transcripts.items()},
        "quarantined": done.quarantined,
    }
    if done.errors is not None:
        found = done.errors
        content["errors"] = {
            "wer": found.wer,
            "cer": found.cer,
            "units": found.units,
            "num_utterances": len(found.table),
            "num_words": int(found.table["words"].sum()),
            "normaliser": found.normaliser,
            "out": done.errors_out,
        }
    return content
