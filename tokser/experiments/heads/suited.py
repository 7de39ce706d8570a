"""Whether heads can be trained on what expressions name, before anything is trained."""

from collections.abc import Iterable, Mapping, Sequence

from tokser.errors import SettingsError, StoreIncompleteError, list_some
from tokser.experiments.feature_expressions import (
    DEFAULT_FUNCTIONALS,
    Early,
    Expression,
    Late,
    Term,
)
from tokser.experiments.heads.head import Head
from tokser.experiments.task import Loss
from tokser.store import Store

__all__ = ["require_suited"]


def require_suited(
    store: Store, expressions: Sequence[Expression], heads: Mapping[str, Head], loss: Loss
) -> bool:
    """Refuse heads that cannot read what expressions name.

    Args:
        store: Where it is read.
        expressions: All of an experiment.
        heads: By name.
        loss: That of the task; other heads that are named have it, too.

    Returns:
        Whether a head reads frames.

    Raises:
        SettingsError: A head has no use for a mix of layers, or for other functionals; layers of a
            mix have different widths.
        StoreIncompleteError: A head reads frames, and the store has only functionals.
        SettingsError: A head takes speech and text, and an expression is another sum.
    """
    terms = {t: None for e in expressions if isinstance(e, Early) for t in e.terms}
    mixes = [term for term in terms if term.mixed]
    for name, head in heads.items():
        if mixes and not head.mixes:
            able = [other for other in _mixing() if other not in heads]
            raise SettingsError(
                f"{mixes[0]}",
                expected=f"a head that learns the weights of layers: {', '.join(_mixing())}",
                got=name,
                remedy=f"Add one of them by itself ({list_some(able)}), or name layers for {name}, "
                "as in best(a/layer-*).",
            )
        if head.reads != "functionals":
            _refuse_functionals(name, terms)
        if head.reads == "frames":
            able = _without_frames(loss, mixes=bool(mixes))
            _require_frames(store, name, terms, able)
        if head.kinds:
            _require_kinds(store, name, expressions, head.kinds)
    for term in mixes:
        _require_alike(store, term)
    return any(head.reads == "frames" for head in heads.values())


def _mixing() -> list[str]:
    from tokser.experiments.heads.registry import HEADS

    return [name for name, head in HEADS.items() if head.mixes]


def _refuse_functionals(name: str, terms: Iterable[Term]) -> None:
    for term in terms:
        if not term.mixed and term.functionals != DEFAULT_FUNCTIONALS:
            raise SettingsError(
                str(term),
                expected=f"a feature without functionals for the head {name}, which has its own "
                "way from frames to a vector",
                got=f"the functionals {', '.join(term.functionals)}",
                remedy=f"Write {term.feature}, or take another head, such as logreg.",
            )


def _without_frames(loss: Loss, *, mixes: bool) -> list[str]:
    """Return the heads that need no frames."""
    from tokser.experiments.heads.registry import HEADS

    return [
        name
        for name, head in HEADS.items()
        if head.reads != "frames" and loss in head.losses and (head.mixes or not mixes)
    ]


def _require_frames(store: Store, name: str, terms: Iterable[Term], able: Sequence[str]) -> None:
    lacking = [f for term in terms for f in term.features if f not in store]
    if lacking:
        raise StoreIncompleteError(
            store.path,
            expected=f"frames of {list_some(lacking)}, which the head {name} reads",
            got="their functionals alone",
            remedy="Extract them without --functionals-only, or take one of the heads "
            f"{', '.join(able)}.",
        )


def _require_kinds(
    store: Store, name: str, expressions: Sequence[Expression], kinds: Sequence[str]
) -> None:
    sums = [one for e in expressions for one in (e.members if isinstance(e, Late) else (e,))]
    for early in dict.fromkeys(sums):
        found = [store[term.features[0]].kind for term in early.terms]
        # Aligned tokens are tokens of a text.
        if ["text" if kind == "aligned" else kind for kind in found] != list(kinds):
            raise SettingsError(
                str(early),
                expected=f"for the head {name}, {' + '.join(kinds)}: frames, then the tokens that "
                "attend to them",
                got=" + ".join(found),
                remedy="Write for instance whisper-base/layer-3 + bert-base-uncased/contextual.",
            )


def _require_alike(store: Store, term: Term) -> None:
    dims = {name: store.functionals(name).shape[1] // 2 for name in term.mixed}
    groups = {name.rpartition("/")[0] for name in term.mixed}
    if len(set(dims.values())) > 1 or len(groups) > 1:
        raise SettingsError(
            str(term),
            expected="layers of one encoder, all of one width",
            got=", ".join(f"{name} ({dim})" for name, dim in dims.items()),
            remedy="Put encoders side by side instead: mix(a/layer-*) + mix(b/layer-*).",
        )
