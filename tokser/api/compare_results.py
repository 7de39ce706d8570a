"""`tokser.compare_results`: several results side by side."""

from pathlib import Path
from typing import Any

from tokser.config import CompareResultsSettings
from tokser.config.keywords import settings_from
from tokser.missing_packages import names_missing_packages
from tokser.report.compare_results.compare import CompareResults

__all__ = ["compare_results"]


@names_missing_packages
def compare_results(*results: Any, out: str | Path | None = None, **options: Any) -> CompareResults:
    """Compare the settings and scores of several results of one corpus.

    Args:
        *results: `Results`, or their folders; at least two.
        out: Folder of the tables; without, nothing is written.
        **options: As `tokser compare-results --help` shows them: `formats`, `seed`.

    Returns:
        `settings`, a row for everything that differs; `scores`, a row for each configuration and
        folder on the test utterances that all of them predicted; `tests`, a row for each pair.

    Raises:
        InputError: A keyword or a folder is not what it should be, or the results are of different
            corpora or tasks.

    Example:
        >>> import tokser
        >>> store = "workspace/stores/emodb.zarr"
        >>> how = {"heads": "logreg", "protocols": "speaker"}
        >>> third = tokser.classify(store, features="whisper-base/layer-3", **how)
        >>> last = tokser.classify(store, features="whisper-base/layer-6", **how)
        >>> len(tokser.compare_results(third, last).scores)
        2
    """
    from tokser.stages.compare_results import compare_results as run

    folders = tuple(getattr(one, "folder", one) for one in results)
    keywords = {"results": folders, "out": out, **options}
    return run(settings_from(CompareResultsSettings, keywords, where="tokser.compare_results"))
