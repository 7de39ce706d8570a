"""Every kind of study that the page knows, and every table that results folders may have besides.

A command whose table stands alone is shown on the page once its `StudyKind` is in `STUDIES`; a
table that an experiment leaves besides its scores, once its `FurtherTable` is in `FURTHER_TABLES`.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tokser.checksummed_folder import ChecksummedFolder
from tokser.errors import DamagedFileError
from tokser.provenance import STAMP_NAME
from tokser.report import naming
from tokser.report.calibration_section import CALIBRATION_PANELS
from tokser.report.commands import command_of
from tokser.report.faults import Faults
from tokser.report.json_files import parse_object
from tokser.report.labels_section import DOUBTFUL_LABELS
from tokser.report.probe_section import PROBE
from tokser.report.scaling_section import SCALE
from tokser.report.similarity_section import SIMILAR
from tokser.report.study import FurtherTable, Study, StudyKind, StudySection

__all__ = ["FURTHER_TABLES", "STUDIES", "has_file", "kind_of", "read_study", "study_sections"]

STUDIES: tuple[StudyKind, ...] = (PROBE, SIMILAR, SCALE, DOUBTFUL_LABELS)
"""In the order of the page."""
FURTHER_TABLES: tuple[FurtherTable, ...] = (*CALIBRATION_PANELS,)
"""In the order of a section."""


def kind_of(folder: Path) -> StudyKind | None:
    """Tell the kind of study that a folder holds; None where it holds none."""
    return next((kind for kind in STUDIES if has_file(folder, kind.table.file)), None)


def read_study(folder: Path, kind: StudyKind, faults: Faults) -> Study | None:
    """Read a folder; None where one of its files has a fault, which is noted."""
    command = f"tokser {kind.command} --out {folder}"
    table = faults.read(folder / kind.table.file, command, kind.table.read)
    further = {
        one.file: faults.read(folder / one.file, command, one.read)
        for one in kind.further
        if has_file(folder, one.file)
    }
    is_stamped = has_file(folder, STAMP_NAME)
    made_by = faults.read(folder / STAMP_NAME, command, parse_object) if is_stamped else {}
    if table is None or made_by is None:
        return None
    whole = {name: one for name, one in further.items() if one is not None}
    return Study(folder, kind, table, whole, made_by)


def study_sections(studies: Sequence[Study]) -> list[StudySection]:
    """Make a section of each study, in the order of `STUDIES`."""
    ordered = sorted(studies, key=lambda one: STUDIES.index(one.kind))
    names = [f"{one.dataset}-{one.kind.command}" for one in ordered]
    seen: Counter[str] = Counter()
    found = []
    for one, name in zip(ordered, names, strict=True):
        seen[name] += 1
        title = naming.dataset_title(one.dataset)
        if names.count(name) > 1:
            name, title = f"{name}-{seen[name]}", f"{title} ({one.folder.name})"
        found.append(
            StudySection(
                name,
                f"{title}: {one.kind.title}",
                one.kind.explanation,
                one.kind.panels(one, name, title),
                one.kind.command,
                command_of(one.kind.command, one.settings),
            )
        )
    return found


def has_file(folder: Path, name: str) -> bool:
    """Return whether a folder has or had a file: earlier versions did not write all of them."""
    try:
        return (folder / name).exists() or name in ChecksummedFolder(folder).listed()
    except (DamagedFileError, OSError):
        return False
