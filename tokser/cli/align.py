"""`tokser align`: an aligner applied to a store."""

from typing import Any

from tokser.cli.options import command, settings_of, threads_option
from tokser.cli.output import tell
from tokser.config import AlignSettings

__all__ = ["align"]


@command(
    example="tokser align --store workspace/stores/emodb.zarr \\\n"
    "  --checkpoint workspace/runs/librispeech"
)
@settings_of(AlignSettings)
@threads_option
def align(given: dict[str, Any]) -> None:
    """Add the feature RUN/aligned to a store.

    RUN is the name of the folder that `tokser pretrain` wrote the aligner to.
    """
    settings = AlignSettings.parse(given, where="tokser align")
    from tokser.stages.align import align as run

    feature = run(settings)
    tell(f"{given['store']}: {feature}")
