"""`tokser push`: a store or model shared."""

from typing import Any

from tokser.cli.options import command, json_option, settings_of
from tokser.cli.output import print_json, tell
from tokser.config import PushSettings

__all__ = ["push"]


@command(
    example="tokser push emodb.zarr hf://datasets/USER/emodb-whisper-base --sign ~/.ssh/id_ed25519"
)
@settings_of(PushSettings)
@json_option
def push(given: dict[str, Any], *, as_json: bool) -> None:
    """Share a store or a model: on the hub, in a bucket, or in a folder.

    SOURCE is a Zarr store or the folder of a model; every checksum in it is verified first. TARGET
    is hf://datasets/USER/NAME (a model: hf://USER/NAME), s3://BUCKET/NAME (needs tokser[cloud]) or
    a folder. A repository that is not there is made, private; log in with `hf auth login`.

    A card is written that says what the features are, what made them, and the licence of the
    corpus; SHA256SUMS has a digest for every file, and --sign signs it. Stopped, or after a change,
    the same call sends only what is not there.
    """
    from tokser.stages.push import push as run

    done = run(PushSettings.parse(given, where="tokser push"))
    if as_json:
        print_json(done)
        return
    signed = ", signed" if done.is_signed else ""
    tell(f"{done.num_files:,} files, {done.num_bytes / 1e6:,.1f} MB -> {done.address}{signed}")
    tell(f"sha256 of SHA256SUMS: {done.digest}")
