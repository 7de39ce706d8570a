"""`tokser demo`: every stage on synthetic speech."""

import shlex
import shutil
import sys
from pathlib import Path

from tokser.cli.options import FOLDER, command, option, threads_option
from tokser.cli.output import exit_if_quarantined, show_results, tell

__all__ = ["demo"]


@command(example="tokser demo --out demo")
@option(
    "-o",
    "--out",
    topic="Output",
    type=FOLDER,
    default=Path("demo"),
    help="Folder of everything.",
)
@option(
    "--only-material",
    topic="Output",
    is_flag=True,
    help="Only synthesise the corpora, and build random encoders for the reproduction pipelines.",
)
@threads_option
def demo(out: Path, only_material: bool) -> None:
    """Run everything on synthetic speech, no download."""
    from tokser.stages.demo import CAUTION, next_commands
    from tokser.stages.demo import demo as run
    from tokser.testing import write_reproduction_material

    if only_material:
        write_reproduction_material(out)
        tell(f"corpora -> {out / 'corpora'}")
        tell(f"encoders -> {out / 'encoders'}")
        return
    result = run(out)
    show_results(result.results)
    tell(CAUTION, colour="yellow")
    tell(f"scores -> {out / 'results.csv'}")
    tell(f"report -> {result.report}  (open it in a browser)")
    tell("\nNext, for instance:")
    for what, line in next_commands(out, _program()):
        tell(f"\n  # {what}\n  {line}")
    exit_if_quarantined(result.quarantined)


def _program() -> str:
    """Return how tokser was called, so that a command that is shown can be copied."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m tokser"
    on_path = shutil.which("tokser")
    if on_path and Path(on_path).resolve() == called.resolve():
        return "tokser"
    return shlex.quote(sys.argv[0])
