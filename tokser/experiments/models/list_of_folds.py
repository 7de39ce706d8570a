"""Whether a folder of results has the models of its folds, and where they are listed."""

from pathlib import Path

from tokser.checksummed_folder import ChecksummedFolder
from tokser.errors import DamagedFileError

__all__ = ["LIST", "MODELS", "holds_models"]

MODELS = "models"
LIST = f"{MODELS}/models.csv"


def holds_models(out: Path) -> bool:
    """Tell whether a finished folder of results has the models of its folds."""
    try:
        return LIST in ChecksummedFolder(out).listed()
    except DamagedFileError:
        return False
