"""Transcripts: what was said, as each corpus publishes it.

Words, case and punctuation stay as published (LibriSpeech is upper case without punctuation;
IEMOCAP marks noises such as `[LAUGHTER]`). Only runs of white space become one space.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tokser.corpora.text_file import read_text

__all__ = [
    "EMODB_SENTENCES",
    "read_iemocap_transcripts",
    "read_librispeech_transcripts",
]

EMODB_SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "a01": "Der Lappen liegt auf dem Eisschrank.",
        "a02": "Das will sie am Mittwoch abgeben.",
        "a04": "Heute abend könnte ich es ihm sagen.",
        "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
        "a07": "In sieben Stunden wird es soweit sein.",
        "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
        "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
        "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
        "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
        "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
    }
)
"""The ten sentences of EmoDB by their code (Burkhardt et al. 2005)."""

_IEMOCAP_LINE = re.compile(r"(Ses\d\d[FM]_\w+)\s+\[[^\]]*\]:(.*)")


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
