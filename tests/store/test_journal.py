import dataclasses

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from tokser.errors import CorruptStoreError
from tokser.store.journal import JournalEntry, checksum, parse_entry

ENTRY = JournalEntry(3, "abc", 17, ("00ff", "1234"), {"utt Ü": "zero samples"}, 4_096)


def parse(text, *, shard=3, layout="abc"):
    return parse_entry(text, shard=shard, layout=layout, where="toy.zarr, f")


def test_an_entry_comes_back_as_it_was():
    assert parse(ENTRY.to_text()) == ENTRY


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_every_flipped_bit_is_noticed(position, bit):
    data = bytearray(ENTRY.to_text().encode())
    data[position % len(data)] ^= 1 << bit
    text = data.decode(errors="replace")
    try:
        assert parse(text) == ENTRY  # only where the flip changed no meaning
    except CorruptStoreError as error:
        assert "journal" in str(error) or "entry" in str(error)


def test_the_entry_of_another_shard_or_layout_is_refused():
    with pytest.raises(CorruptStoreError, match="entry of shard 4"):
        parse(ENTRY.to_text(), shard=4)
    with pytest.raises(CorruptStoreError, match="of layout xyz"):
        parse(dataclasses.replace(ENTRY).to_text(), layout="xyz")


def test_a_checksum_covers_the_bytes_in_order():
    rows = np.arange(24, dtype=np.float16).reshape(4, 6)
    assert checksum(rows) == xxhash.xxh3_64_hexdigest(rows.tobytes())
    assert checksum(rows[:0]) == xxhash.xxh3_64_hexdigest(b"")
    assert checksum(rows) != checksum(np.ascontiguousarray(rows[::-1]))
