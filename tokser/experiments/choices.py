"""Choices by dev that span classifiers, or everything that was trained."""

from collections.abc import Iterator, Sequence

from tokser.experiments.dataset import Material
from tokser.experiments.feature_expressions import Late
from tokser.experiments.runs import Unit

__all__ = ["plan_choices"]


def plan_choices(material: Material, trained: Sequence[Unit]) -> Iterator[tuple[Unit, list[Unit]]]:
    """Yield each choice with its members, beside those that the expressions ask for.

    With several classifiers: among them, for each `best(...)` and for what is in none of these.
    With several feature sets: among everything that was trained.

    Args:
        material: Its expressions.
        trained: Everything that was trained.
    """
    methods = list(dict.fromkeys(unit.classifier for unit in trained))
    asked = {str(late) for late in material.combined}
    candidates = _feature_sets(material)
    runs: dict[tuple[str, int], list[Unit]] = {}
    for unit in trained:
        runs.setdefault((unit.protocol, unit.seed), []).append(unit)
    first = min(seed for _, seed in runs)
    for (protocol, seed), own in runs.items():
        # What draws nothing was run for the first seed alone, and stands for all of them.
        known = {(u.features, u.classifier): u for u in [*runs[protocol, first], *own]}
        for features, members in candidates.items():
            if len(methods) > 1:
                classifier = f"best({', '.join(methods)})"
            elif len(members) > 1 and features not in asked:
                classifier = methods[0]
            else:
                continue
            units = [known[member, method] for member in members for method in methods]
            yield Unit(features, protocol, classifier, seed), units


def _feature_sets(material: Material) -> dict[str, list[str]]:
    """Return what is chosen among, by the name of the choice."""
    chosen = [late for late in material.combined if late.how == "best"]
    found = {str(late): list(map(str, late.members)) for late in chosen}
    covered = {member for members in found.values() for member in members}
    names = list(map(str, material.trained))
    found |= {name: [name] for name in names if name not in covered}
    if len(names) > 1:
        found.setdefault(str(Late("best", material.trained)), names)
    return found
