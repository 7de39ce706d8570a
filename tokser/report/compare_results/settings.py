"""Settings, features and versions in which results folders differ."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tokser.config import ClassifySettings, RegressSettings, Settings
from tokser.errors import TokserError
from tokser.experiments.joined_store import open_stores
from tokser.provenance import COLUMNS, Stamp, digest_of, flattened
from tokser.report.commands import stage_of
from tokser.report.inputs import Experiment
from tokser.store import FeatureName, Store, is_remote
from tokser.store.feature_name import functionals_group

__all__ = ["settings_that_differ", "store_of"]

_PLACES = Stamp.PLACES - {"store"}
"""Settings that say where and how, and change no score."""
_NOT_STATED = "not stated"
_DIGEST = 12
_USUAL: Mapping[str, type[Settings]] = {"classify": ClassifySettings, "regress": RegressSettings}


def settings_that_differ(
    folders: Mapping[str, Experiment], *, opens_remote: bool = True
) -> pd.DataFrame:
    """Return what differs between folders, a row each: kind, name, and a column for each folder.

    Args:
        folders: By name.
        opens_remote: Whether stores at URLs are asked what made their features.

    Returns:
        `kind` is `setting`, `features` (what made the activations, from the store where it is
        still there), `data` (digests of what was read) or `version`.
    """
    read = {name: _identities(one) for name, one in folders.items()}
    common = set.intersection(*(set(own) for own in read.values()))
    facts = {
        name: _facts(one, opens_remote) | _data({key: read[name][key] for key in sorted(common)})
        for name, one in folders.items()
    }
    keys = dict.fromkeys(key for of in facts.values() for key in of)
    rows = []
    for kind, name in keys:
        values = [of.get((kind, name), _NOT_STATED) for of in facts.values()]
        if len(set(values)) > 1:
            rows.append([kind, name, *values])
    order = ["setting", "features", "data", "version"]
    rows.sort(key=lambda row: order.index(row[0]))
    return pd.DataFrame(rows, columns=["kind", "name", *folders])


def store_of(one: Experiment, *, opens_remote: bool = True) -> Store | None:
    """Open the store that a folder was made from; None where it is not there any more."""
    named, dataset = one.settings.get("store"), str(one.settings.get("dataset", ""))
    addresses = (named,) if isinstance(named, str) else tuple(named or ())
    if not addresses or (any(map(is_remote, addresses)) and not opens_remote):
        return None
    try:
        return open_stores(addresses, dataset)
    except (TokserError, OSError):
        return None


def _facts(one: Experiment, opens_remote: bool) -> dict[tuple[str, str], str]:
    """Return everything that is known of what made a folder, as text."""
    settings = {key: value for key, value in one.settings.items() if key not in _PLACES}
    stage = stage_of(one.tables, one.settings)
    command = str(one.provenance.get("stage", stage))
    found = {("setting", "command"): command}
    found |= {("setting", k): v for k, v in _texts(_usual(command) | settings).items()}
    store = store_of(one, opens_remote=opens_remote)
    for group in dict.fromkeys(filter(None, map(_group, _identities(one)))):
        if store is not None:
            made_by = _texts(_made_by(store, group))
            found |= {("features", f"{group}: {k}"): v for k, v in made_by.items()}
    versions = one.provenance.get("versions", {})
    return found | {("version", name): str(value) for name, value in versions.items()}


def _identities(one: Experiment) -> dict[str, str]:
    """Return the digests of what a folder was made of, by name."""
    inputs = one.provenance.get("inputs", {})
    return {str(name): str(value) for name, value in inputs.items() if name != "dataset"}


def _data(read: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Return one digest for the activations of each group, and those of splits and labels."""
    by_group: dict[str, dict[str, str]] = {}
    for name, digest in read.items():
        by_group.setdefault(_group(name) or name, {})[name] = digest
    return {("data", name): digest_of(own)[:_DIGEST] for name, own in by_group.items()}


def _made_by(store: Store, group: str) -> Mapping[str, Any]:
    """Return the provenance of a group; of one without rows, that of its functionals."""
    if group in store.groups:
        found = store.group(group).provenance
    elif functionals_group(group) in store.groups:
        found = store.group(functionals_group(group)).provenance.get("source", {})
    else:
        found = {}
    return {key: value for key, value in found.items() if key != COLUMNS}


def _usual(command: str) -> dict[str, Any]:
    """Return settings that an earlier version did not write, at the value that they stand for."""
    settings = _USUAL.get(command)
    if settings is None:
        return {}
    fields = settings.model_fields.items()
    names = {"heads": "classifiers" if command == "classify" else "regressors"}
    plain = {
        names.get(name, name): field.get_default(call_default_factory=True)
        for name, field in fields
        if not field.is_required() and name not in _PLACES | {"out", "store"}
    }
    return {
        name: value.model_dump(mode="json") if isinstance(value, Settings) else value
        for name, value in plain.items()
    }


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: _text(value) for key, value in flattened(dict(values)).items()}


def _text(value: Any) -> str:
    if value is None or value in ("", [], (), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, Mapping):
        return digest_of(value)[:_DIGEST]
    text = str(value)
    is_digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return text[:_DIGEST] if is_digest else text


def _group(name: str) -> str:
    """Return the group of a feature, or of the rows of one; empty for other inputs."""
    return FeatureName.parse(name.removeprefix("rows of ")).group
