"""`tokser.push` and `tokser.pull`: stores and models shared, and fetched."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokser.api.stores import AnyStore, address_of
from tokser.config import PullSettings, PushSettings
from tokser.config.keywords import settings_from
from tokser.missing_packages import names_missing_packages
from tokser.sharing.pull import Pulled
from tokser.sharing.push import Pushed
from tokser.stages.pull import pull as run_pull
from tokser.stages.push import push as run_push

__all__ = ["pull", "push"]


@names_missing_packages
def push(
    source: AnyStore,
    target: str | Path,
    *,
    features: str | Sequence[str] = (),
    functionals_only: bool = False,
    i_may_share: bool = False,
    licence: str = "",
    sign: str | Path | None = None,
) -> Pushed:
    """Share a store or a model: on the hub, in a bucket, or in a folder.

    Args:
        source: A store, or the folder of a store or model.
        target: `hf://datasets/USER/NAME`, `s3://BUCKET/NAME` or a folder.
        features: Features of the store; all without.
        functionals_only: Leave out the rows.
        i_may_share: That you have the right to share what the corpus's licence does not permit.
        licence: Licence of a corpus of your own, for the card.
        sign: SSH key to sign the digests with.

    Returns:
        Where it is, its size, and `digest`, which stands for every byte.

    Raises:
        SettingsError: The licence does not permit it, or a keyword is wrong.
        TokserError: The source is not whole, or the target cannot be written to.

    Example:
        >>> import tokser
        >>> store = tokser.open_store("workspace/stores/emodb.zarr")
        >>> tokser.push(store, "shared/emodb", functionals_only=True).kind
        'store'
    """
    keywords: dict[str, Any] = {
        "source": address_of(source),
        "target": str(target),
        "features": features,
        "functionals_only": functionals_only,
        "i_may_share": i_may_share,
        "licence": licence,
        "sign": sign,
    }
    return run_push(settings_from(PushSettings, keywords, where="tokser.push"))


@names_missing_packages
def pull(
    source: str | Path,
    target: str | Path,
    *,
    features: str | Sequence[str] = (),
    functionals_only: bool = False,
    signed_by: str | Path | None = None,
) -> Pulled:
    """Fetch a shared store or model, or some features of a store.

    Args:
        source: What `push` wrote to.
        target: A new folder.
        features: Features to fetch; all without.
        functionals_only: Leave out the rows.
        signed_by: File of public SSH keys, one of which must have signed.

    Returns:
        `target`, `digest`, and `signer`, the fingerprint of the key that signed.

    Raises:
        SettingsError: The target exists, or a keyword is wrong.
        TokserError: A file or the signature is not right, or the place does not answer.

    Example:
        >>> import tokser
        >>> store = tokser.open_store("workspace/stores/emodb.zarr")
        >>> shared = tokser.push(store, "shared/emodb", features="whisper-base/layer-3")
        >>> tokser.pull("shared/emodb", "layer-3.zarr").digest == shared.digest
        True
        >>> tokser.open_store("layer-3.zarr").features
        ['whisper-base/layer-3']
    """
    keywords: dict[str, Any] = {
        "source": str(source),
        "target": target,
        "features": features,
        "functionals_only": functionals_only,
        "signed_by": signed_by,
    }
    return run_pull(settings_from(PullSettings, keywords, where="tokser.pull"))
