"""Whether the stores that are read as one have features that were made in the same way."""

from collections.abc import Sequence

from tokser.errors import SettingsError, StoreMismatchError, list_some
from tokser.experiments.feature_expressions import Early, Expression
from tokser.experiments.joined_store import JoinedStore
from tokser.experiments.models.recipe import FeatureRecipe

__all__ = ["require_same_features", "require_shared_features"]


def require_shared_features(store: JoinedStore) -> None:
    """Raise `SettingsError`, naming what each store has, unless they share a pooled feature."""
    if store.pooled:
        return
    bare = [own.path for own in store.stores.values() if not own.pooled]
    commands = " and ".join(f"`tokser pool --store {path}`" for path in bare)
    raise SettingsError(
        store.path,
        expected="a pooled feature that all stores have",
        got="; ".join(
            f"{list_some(own.pooled) or 'none'} in {own.path}" for own in store.stores.values()
        ),
        remedy=f"Run {commands}." if bare else "Extract and pool the same layers of one encoder.",
    )


def require_same_features(store: JoinedStore, expressions: Sequence[Expression]) -> None:
    """Raise, naming both sides, unless the stores' features were made in the same way.

    That is: the same weights (sha256), context, precision, layers and so on, the same type of
    stored rows, and the same functionals.

    Raises:
        StoreMismatchError: A feature is of another encoder, or was computed otherwise.
    """
    terms = {t: None for e in expressions if isinstance(e, Early) for t in e.terms}
    recipe = FeatureRecipe.of_store(store.first, terms)
    for own in store.stores.values():
        try:
            recipe.require_made_alike(own)
        except StoreMismatchError as error:
            expected = error.expected.replace(" as at training", "")
            raise StoreMismatchError(
                error.where,
                expected=f"{expected.replace(', which the model reads', '')}, as in all stores; "
                f"the first is {store.first.path}",
                got=error.got,
                remedy="Extract both corpora with the same encoder and settings, and pool the "
                "same functionals.",
            ) from error
