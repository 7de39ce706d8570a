"""Transcripts: what was said, as each corpus publishes it.

Words, case and punctuation stay as published (LibriSpeech is upper case without punctuation;
IEMOCAP marks noises such as `[LAUGHTER]`). Only runs of white space become one space.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tokser.corpora.declared.catalogue import shipped_declaration
from tokser.corpora.text_file import read_text

__all__ = [
    "emodb_sentences",
    "read_iemocap_transcripts",
    "read_librispeech_transcripts",
]

_IEMOCAP_LINE = re.compile(r"(Ses\d\d[FM]_\w+)\s+\[[^\]]*\]:(.*)")


def emodb_sentences() -> Mapping[str, str]:
    """Return the ten sentences of EmoDB by their code (Burkhardt et al. 2005)."""
    return MappingProxyType(shipped_declaration("emodb").columns["transcript"].values)


def read_librispeech_transcripts(path: Path) -> dict[str, str]:
    """Read a `*.trans.txt` file, whose lines are `<utterance id> <WORDS>`.

    Args:
        path: The transcript file of one chapter.

    Returns:
        Transcripts by utterance id; an id that stands alone has the transcript "".
    """
    lines = (line.split() for line in read_text(path).split("\n"))
    return {words[0]: " ".join(words[1:]) for words in lines if words}


def read_iemocap_transcripts(path: Path) -> dict[str, str]:
    """Read a file of `dialog/transcriptions`, whose lines are `<id> [<from>-<to>]: <words>`.

    Args:
        path: The transcript file of one dialog.

    Returns:
        Transcripts by utterance id. Lines without an id (noises between turns) are left out.
    """
    matches = (_IEMOCAP_LINE.match(line.strip()) for line in read_text(path).split("\n"))
    return {match[1]: " ".join(match[2].split()) for match in matches if match}
