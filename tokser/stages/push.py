"""Share a store or a model: on the hub, in a bucket, or in a folder."""

from tokser.config import PushSettings
from tokser.corpora.registry import declaration_of
from tokser.errors import SettingsError
from tokser.sharing.licence import CorpusLicence, require_right_to_share
from tokser.sharing.package import MODEL, Package, model_package, store_package
from tokser.sharing.places import place_at
from tokser.sharing.push import Pushed, push_package
from tokser.store import open_store

__all__ = ["push"]


def push(settings: PushSettings) -> Pushed:
    """Upload what the target lacks; nothing shows there before everything is there.

    Raises:
        MissingInputError: There is neither a store nor a model.
        SettingsError: The licence of the corpus does not permit it, or the target is no place.
        DamagedFileError, CorruptStoreError, StoreIncompleteError: The source is not whole.
        RunError: The target cannot be written to.
    """
    place = place_at(settings.target)
    return push_package(_package(settings), place, key=settings.sign)


def _package(settings: PushSettings) -> Package:
    if (settings.source / MODEL).is_file():
        if settings.features or settings.functionals_only:
            raise SettingsError(
                settings.source,
                expected="a store, of which features can be shared",
                got="a model",
                remedy="Leave out --features and --functionals-only.",
            )
        return model_package(settings.source)
    dataset = open_store(settings.source).dataset
    licence = _licence(dataset, settings.licence)
    require_right_to_share(dataset, licence, i_may_share=settings.i_may_share)
    return store_package(
        settings.source,
        settings.target,
        licence,
        features=settings.features,
        functionals_only=settings.functionals_only,
    )


def _licence(dataset: str, stated: str) -> CorpusLicence:
    """Return what a declaration says of a corpus; a stated licence is only of one that has none."""
    try:
        known = declaration_of(dataset)
    except SettingsError:  # a corpus of one's own
        return CorpusLicence(stated)
    return CorpusLicence(known.licence or stated, known.citation, known.how_to_get)
