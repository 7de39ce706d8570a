"""Which features of a store are speech S, queries T and teacher B."""

from tokser.config import PretrainSettings
from tokser.errors import SettingsError, list_some
from tokser.pretrain.batches import Pairs
from tokser.provenance import Stamp, without_later
from tokser.store import FeatureName, Store
from tokser.store.rows_digest import rows_digest

__all__ = ["pairs_of", "resolve_features", "roles_of", "stamp_of"]

_QUERIES = {"word": "word", "full": "layer-0"}
"""Feature of the teacher's encoder by kind of queries."""
_LATER_SETTINGS = {
    "tune_speech": 0,
    "tune_text": 0,
    "text_below": None,
    "free_teacher": False,
    "teacher_anchor": 1.0,
    "tune_learning_rate": None,
    "encoder": None,
    "text_encoder": None,
    "keep": None,
    "keep_weight": 1.0,
}
"""Settings that earlier versions had not, with the value that does what they did."""


def resolve_features(store: Store, settings: PretrainSettings) -> PretrainSettings:
    """Fill in the features that were not named, where there is one choice.

    Raises:
        SettingsError: There is no such feature, or more than one choice.
    """
    uncommitted = store.uncommitted
    known = [name for name in store.features if name not in uncommitted]
    speech = [name for name in known if store[name].kind == "speech"]
    text = [
        name
        for name in known
        if store[name].kind == "text" and FeatureName.parse(name).feature != "word"
    ]
    contextual = [name for name in text if FeatureName.parse(name).feature == "contextual"]
    resolved = {
        "speech": _layers(store, settings.speech, speech),
        "text": _feature(store, "--text", settings.text, text, contextual),
    }
    return settings.model_copy(update=resolved)


def roles_of(store: Store, settings: PretrainSettings) -> dict[str, str]:
    """Return the names of `speech` (layers with commas between), `teacher` and `queries`.

    Args:
        store: The store.
        settings: With all features, see `resolve_features`.

    Raises:
        SettingsError: The store lacks the queries.
    """
    group = FeatureName.parse(str(settings.text)).group
    queries = str(FeatureName(group, _QUERIES[settings.queries]))
    if queries not in store:
        raise SettingsError(
            f"--queries {settings.queries}, {store.path}",
            expected=f"the feature {queries}",
            got="none of that name",
            remedy=f"Extract it: the same `tokser extract` with --encoder of {group} alone and "
            "--layers all, or 0 and the last.",
        )
    roles = {"speech": str(settings.speech), "teacher": str(settings.text), "queries": queries}
    if settings.tune_text:
        roles["below"] = _layer_below(store, settings, group)
    if settings.keep:
        roles["kept"] = _kept(store, settings.keep)
    return roles


def stamp_of(store: Store, settings: PretrainSettings, roles: dict[str, str]) -> Stamp:
    """Return the stamp of a run: its settings, and the features with the checksums of their rows.

    Labels do not matter: a store whose labels were corrected gives the same run.
    """
    identities = {
        role: ",".join(store.identity(name, without=["label"]) for name in names.split(","))
        for role, names in roles.items()
    }
    rows = {
        f"rows of {role}": ",".join(rows_digest(store, name) for name in names.split(","))
        for role, names in roles.items()
    }
    content = without_later(settings.model_dump(mode="json"), _LATER_SETTINGS)
    return Stamp("pretrain", content, identities | rows)


def pairs_of(store: Store, roles: dict[str, str], *, special_tokens: bool) -> Pairs:
    """Return the utterances that have all features.

    Raises:
        StoreIncompleteError: A feature is incomplete.
    """
    for name in ",".join(roles.values()).split(","):
        store[name].require_complete()
    speech = tuple(store[name] for name in roles["speech"].split(","))
    below = store[roles["below"]] if "below" in roles else None
    return Pairs(speech, store[roles["queries"]], store[roles["teacher"]], special_tokens, below)


def _kept(store: Store, wanted: str) -> str:
    """Return the feature whose functionals are kept, if they were pooled."""
    pooled = [name for name in store.pooled if name in store]
    if wanted not in pooled:
        raise SettingsError(
            f"--keep {wanted}, {store.path}",
            expected=f"a feature with functionals: {list_some(pooled, most=20) or 'there is none'}",
            got=repr(wanted),
            remedy=f"Pool it: `tokser pool --store {store.path}`.",
        )
    return wanted


def _layer_below(store: Store, settings: PretrainSettings, group: str) -> str:
    """Return the layer that the teacher's trained blocks start from: the one named, or derived."""
    if not settings.free_teacher:
        raise SettingsError(
            f"--tune-text {settings.tune_text}",
            expected="--free-teacher with it",
            got="a teacher that is taken as fixed, from which no gradient reaches its encoder",
            remedy="Add --free-teacher, see docs/pretraining.md; or leave --tune-text out.",
        )
    if FeatureName.parse(str(settings.text)).feature != "contextual":
        raise SettingsError(
            f"--tune-text {settings.tune_text}, --text {settings.text}",
            expected=f"{group}/contextual, the output of the blocks that are trained",
            got=str(settings.text),
            remedy="Leave --text out, or name that feature.",
        )
    layers = [n for n in store.features if n.startswith(f"{group}/layer-")]
    wanted = settings.text_below or (layers[-1] if len(layers) == 1 else "")
    if wanted not in layers:
        raise SettingsError(
            f"--text-below, {store.path}",
            expected=f"the layer below the {settings.tune_text} last blocks of {group}, among "
            f"{list_some(layers, most=20) or 'none: there are no layers'}",
            got=repr(wanted) if wanted else "none named",
            remedy=f"Name it, or extract it: `tokser extract --encoder {group} --layers all`.",
        )
    return wanted


def _layers(store: Store, wanted: str | None, known: list[str]) -> str:
    """Return one speech feature, or several layers that are to be mixed."""
    names = [
        _feature(store, "--speech", name, known, known)
        for name in (wanted.split(",") if wanted else [None])
    ]
    if len({FeatureName.parse(name).group for name in names}) > 1 or len(set(names)) < len(names):
        raise SettingsError(
            f"--speech {wanted}",
            expected="different layers of one encoder, which have the same frames",
            got="layers of several encoders, or one named twice",
            remedy="Mix layers of one encoder.",
        )
    return ",".join(names)


def _feature(
    store: Store, option: str, wanted: str | None, known: list[str], candidates: list[str]
) -> str:
    if wanted is None and len(candidates) == 1:
        return candidates[0]
    if wanted in known:
        return str(wanted)
    raise SettingsError(
        f"{option}, {store.path}",
        expected=f"one of {list_some(known, most=20) or 'no feature: there is none of the kind'}",
        got=repr(wanted) if wanted else f"none named, and {len(candidates)} candidates",
        remedy="Name the feature, or extract it with `tokser extract`.",
    )
