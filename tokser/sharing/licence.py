"""Whether a corpus's licence lets its activations be passed on."""

from dataclasses import dataclass

from tokser.errors import SettingsError

__all__ = ["CorpusLicence", "require_right_to_share"]

_OPEN = ("CC0", "CC-BY-4.0", "CC-BY-SA", "CC-BY-NC-4.0", "CC-BY-NC-SA", "ODbL", "GPL", "MIT")
"""Beginnings of identifiers of licences under which works made from a corpus may be passed on."""


@dataclass(frozen=True)
class CorpusLicence:
    """What is known of the licence of a corpus.

    Attributes:
        text: SPDX identifier, or a few words; empty if nothing is known.
        citation: Whom to cite.
        source: How the corpus is obtained.
    """

    text: str = ""
    citation: str = ""
    source: str = ""

    @property
    def permits_sharing(self) -> bool:
        """Whether works made from the corpus may be passed on, by everything that is known."""
        return self.text.upper().startswith(tuple(one.upper() for one in _OPEN))


def require_right_to_share(dataset: str, licence: CorpusLicence, *, i_may_share: bool) -> None:
    """Refuse to share what a licence forbids, or does not clearly permit.

    Activations of an encoder let words, and who spoke them, be recovered: they are passed on under
    the terms of the recordings.

    Raises:
        SettingsError: The licence does not permit it, and nobody has said that they may.
    """
    if i_may_share or licence.permits_sharing:
        return
    raise SettingsError(
        dataset,
        expected="a corpus whose licence permits passing on what was made from it",
        got=f"licence: {licence.text}" if licence.text else "a licence that is not known",
        remedy="If you have the right (your own corpus, a permission in writing), add "
        "--i-may-share, and --licence for the card; else share the command that made it.",
    )
