"""Which folders are compared, what they are called, and whether they can be."""

from collections.abc import Sequence
from pathlib import Path

from tokser.errors import InputError, SettingsError
from tokser.report.inputs import Experiment, read_inputs

__all__ = ["named_folders", "read_folders"]


def read_folders(folders: Sequence[Path]) -> dict[str, Experiment]:
    """Read results folders of one corpus and task, by the names that tell them apart.

    Raises:
        SettingsError: There are fewer than two different folders.
        MissingInputError: Files or folders do not exist; all of them are named.
        InputError: A folder is damaged, or they are of different corpora or tasks.
    """
    different = list({folder.resolve(): folder for folder in folders}.values())
    if len(different) < 2:
        raise SettingsError(
            "tokser compare-results",
            expected="at least two different results folders",
            got=", ".join(map(str, different)) or "none",
            remedy="Name the folders of `tokser classify` or `tokser regress`.",
        )
    inputs = read_inputs(different)
    if inputs.studies:
        raise InputError(
            inputs.studies[0].folder,
            expected="results of `tokser classify` or `tokser regress`",
            got=f"a table of `tokser {inputs.studies[0].kind.command}`",
            remedy="Leave it out; `tokser report` shows several such folders side by side.",
        )
    kinds = {_kind(one): one for one in inputs.experiments}
    if len(kinds) > 1:
        raise InputError(
            ", ".join(str(one.folder) for one in kinds.values()),
            expected="results of one corpus and one task",
            got="; ".join(kinds),
            remedy="Compare folders of one corpus and task, or show them with `tokser report`.",
        )
    return named_folders(inputs.experiments)


def named_folders(experiments: Sequence[Experiment]) -> dict[str, Experiment]:
    """Return folders by the last parts of their paths, as many as tell them apart."""
    paths = [one.folder.resolve() for one in experiments]
    most = max(len(path.parts) for path in paths)
    for number in range(1, most + 1):
        names = ["/".join(path.parts[-number:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, experiments, strict=True))


def _kind(one: Experiment) -> str:
    datasets = ", ".join(sorted(set(one.scores["dataset"])))
    return f"{one.tables.task} of {datasets}"
