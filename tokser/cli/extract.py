"""`tokser extract`: frozen encoders run over a corpus, once, into a store."""

import sys
from typing import TYPE_CHECKING, Any

from tokser.cli.options import command, json_option, option, settings_of, threads_option
from tokser.cli.output import QUARANTINED_EXIT, print_json, show, tell
from tokser.config import ExtractSettings

if TYPE_CHECKING:
    from tokser.extraction.estimate import Estimate

__all__ = ["extract"]


@command(
    example="tokser extract --dataset emodb --root corpora/emodb --layers all \\\n"
    "  --encoder openai/whisper-base --store workspace/stores/emodb.zarr"
)
@settings_of(ExtractSettings)
@option(
    "--dry-run",
    topic="Output",
    is_flag=True,
    help="Only show rows, GB, files, free disk and expected hours, from a few seconds of each "
    "encoder.",
)
@json_option
@threads_option
def extract(given: dict[str, Any], *, dry_run: bool, as_json: bool) -> None:
    """Run frozen encoders over a corpus, once, into a store.

    Run it again to continue where it was stopped, or with another encoder to add features. Several
    processes, also on several machines, may run it at the same time: they share the work.
    """
    settings = ExtractSettings.parse(given, where="tokser extract")
    if dry_run:
        from tokser.extraction.estimate import estimate

        found = estimate(settings)
        if as_json:
            print_json(found)
        else:
            _show_estimate(settings.store, found)
        return

    from tokser.stages.extract import extract as run

    done = run(settings)
    if as_json:
        print_json(done)
        sys.exit(QUARANTINED_EXIT if done.quarantined else 0)
    from tokser.terminal.extraction import summary_table
    from tokser.terminal.manifests import faults_table

    show(summary_table(done.summaries))
    tell(f"{done.store}: {done.num_utterances} utterances, {', '.join(done.features)}")
    if done.quarantined:
        show(faults_table(done.quarantined))
        sys.exit(QUARANTINED_EXIT)


def _show_estimate(store: str, found: "Estimate") -> None:
    from tokser.terminal.extraction import estimate_table

    show(estimate_table(found))
    free = "unknown" if found.free_bytes is None else f"{found.free_bytes / 1e9:.1f} GB free"
    tell(
        f"{store}: {found.num_bytes_to_write / 1e9:.3f} GB to write in "
        f"{found.num_files} files, disk {free}; {found.audio_hours:.2f} h of audio"
    )
    for encoder, seconds in found.seconds.items():
        tell(f"{encoder}: about {seconds / 3600:.2f} h on this machine")
