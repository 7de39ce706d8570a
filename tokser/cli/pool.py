"""`tokser pool`: features reduced to functionals."""

from typing import Any

from tokser.cli.options import command, settings_of, threads_option
from tokser.cli.output import tell
from tokser.config import PoolSettings

__all__ = ["pool"]


@command(example="tokser pool --store workspace/stores/emodb.zarr")
@settings_of(PoolSettings)
@threads_option
def pool(given: dict[str, Any]) -> None:
    """Write mean and standard deviation of features over their frames or tokens.

    These are called functionals: one vector for each utterance, on which `tokser classify` and
    `tokser regress` are trained.
    """
    settings = PoolSettings.parse(given, where="tokser pool")
    from tokser.stages.pool import pool as run

    features = run(settings)
    tell(f"{given['store']}: functionals of {', '.join(features)}")
