"""The published archives of each corpus, from `data_manifests/`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tokser.errors import CorpusError, SettingsError, list_some
from tokser.shipped import shipped_file

__all__ = ["PublishedArchive", "known_of", "published_archives"]


@dataclass(frozen=True)
class PublishedArchive:
    """One archive, as its publisher offers it.

    Attributes:
        dataset: `librispeech` or `emodb`.
        name: The split, or the dataset if it has a single archive.
        url: Its address.
        num_bytes: Its size.
        checksum: `sha256:...` or `md5:...` in hex; "" if none was published.
        num_utterances: Recordings in it.
    """

    dataset: str
    name: str
    url: str
    num_bytes: int
    checksum: str
    num_utterances: int

    @property
    def file_name(self) -> str:
        """Name that its file has, on the server and on the disk."""
        return self.url.rpartition("/")[2]


def known_of(dataset: str) -> dict[str, Any]:
    """Read the description of a corpus in `data_manifests/`."""
    path = shipped_file("data_manifests", f"{dataset}.yaml")
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def published_archives(
    dataset: str, splits: Sequence[str] = (), *, mirror: str | None = None
) -> list[PublishedArchive]:
    """List the archives that hold a corpus, or some splits of it.

    Args:
        dataset: `librispeech` or `emodb`.
        splits: Parts of LibriSpeech, each once; at least one.
        mirror: Address of a folder that holds the same files, instead of the publisher's.

    Raises:
        CorpusError: The corpus is licensed and has no public address.
        SettingsError: LibriSpeech: no split is named, or one that there is not; others: splits.
    """
    known = known_of(dataset)
    if "splits" in known:
        parts = {name: known["splits"][name] for name in _checked(splits, known["splits"])}
    elif splits:
        raise SettingsError(
            "splits",
            expected=f"no splits with {dataset}, which is a single archive",
            got=", ".join(splits),
            remedy="Leave out `--split`.",
        )
    elif "url" in known:
        parts = {dataset: known}
    else:
        raise CorpusError(
            dataset,
            expected="a corpus that anyone may download",
            got="one whose licence each group has to sign",
            remedy=known["how_to_get"],
        )
    return [_archive(dataset, name, part, mirror) for name, part in parts.items()]


def _archive(
    dataset: str, name: str, part: Mapping[str, Any], mirror: str | None
) -> PublishedArchive:
    url = str(part["url"])
    if mirror is not None:
        url = f"{mirror.rstrip('/')}/{url.rpartition('/')[2]}"
    kinds = [kind for kind in ("sha256", "md5") if kind in part]
    return PublishedArchive(
        dataset,
        name,
        url,
        int(part["num_bytes"]),
        f"{kinds[0]}:{part[kinds[0]]}" if kinds else "",
        int(part["num_utterances"]),
    )


def _checked(splits: Sequence[str], known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    unknown = [split for split in splits if split not in known]
    if splits and not unknown:
        return list(dict.fromkeys(splits))
    sizes = [f"{name} ({part['num_bytes'] / 1e9:.1f} GB)" for name, part in known.items()]
    raise SettingsError(
        "splits",
        expected=f"at least one of {', '.join(sizes)}",
        got=list_some(unknown) or "none",
        remedy="Name what you need, for instance `--split dev-clean`.",
    )
