"""`tokser pull`: a shared store or model fetched."""

from typing import Any

from tokser.cli.options import command, json_option, settings_of
from tokser.cli.output import print_json, tell
from tokser.config import PullSettings

__all__ = ["pull"]


@command(
    example="tokser pull hf://datasets/USER/emodb-whisper-base emodb.zarr "
    "--features whisper-base/layer-3"
)
@settings_of(PullSettings)
@json_option
def pull(given: dict[str, Any], *, as_json: bool) -> None:
    """Fetch a shared store or model, or some of its features.

    SOURCE is what `tokser push` wrote to: hf://datasets/USER/NAME, hf://USER/NAME, s3://..., or a
    folder; https://... where a web server has it. TARGET is a new folder. Every file is held
    against its digest; stopped, the same call goes on with the files that are missing.

    A store need not be pulled to be read: open_store("hf://datasets/USER/NAME") fetches what is
    read, into the cache of the hub.
    """
    from tokser.stages.pull import pull as run

    done = run(PullSettings.parse(given, where="tokser pull"))
    if as_json:
        print_json(done)
        return
    tell(f"{done.kind} of {done.num_files:,} files -> {done.target}")
    tell(f"sha256 of SHA256SUMS: {done.digest}")
    if done.signer:
        trust = "" if done.is_trusted else ", whose owner was not checked (--signed-by)"
        tell(f"signed by {done.signer}{trust}")
