"""How scores grow with the number of training speakers and utterances."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tokser.checksummed_folder import ChecksummedFolder
from tokser.config import ScalingSettings
from tokser.experiments.ledger import LEDGER
from tokser.experiments.scaling.run import run_scaling
from tokser.experiments.scaling.score import ScalingTables, score_curves
from tokser.experiments.scaling.table import FITS, SCALING

__all__ = ["scaling"]


def scaling(settings: ScalingSettings) -> ScalingTables:
    """Train on nested subsets, score them, and fit power laws; write tables and figures.

    Finished parts are kept in the folder, so the same call goes on where it was stopped.

    Returns:
        What `scaling.csv` and `scaling_fits.csv` hold.

    Raises:
        SettingsError: A feature, a target, a head or the folder is not what it should be.
        InputError: The corpus has too few speakers, classes or utterances for a curve.
    """
    if settings.out is None:
        with TemporaryDirectory(prefix="tokser-scaling-") as folder:
            return _run(settings, Path(folder) / "parts")
    return _run(settings, settings.out)


def _run(settings: ScalingSettings, out: Path) -> ScalingTables:
    trained = run_scaling(settings, out)
    found = score_curves(trained, out, seed=settings.seed)
    if settings.out is not None:
        from tokser.report.scaling_figure import scaling_figures

        figures = scaling_figures(found.scores, found.fits)
        files = {f"{name}.svg": drawing.render("svg") for name, drawing in figures.items()}
        tables = {
            SCALING.file: SCALING.content(found.scores),
            FITS.file: FITS.content(found.fits),
        }
        checksummed = ChecksummedFolder(out)
        checksummed.put(tables | files)
        checksummed.note(LEDGER)
        trained.stamp.write(out)
    return found
