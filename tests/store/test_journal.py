import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from tokser.errors import CorruptStoreError
from tokser.store.journal import JournalEntry, checksum, parse_entry

ENTRY = JournalEntry(
    shard=3,
    identity="abc",
    first_utterance=17,
    checksums=("00ff", "1234"),
    quarantined={"utt Ü": "zero samples"},
    num_bytes=4_096,
    file_digest="77",
    recordings=("aa", "bb"),
    modified_ns=(1, 2),
)


def parse(text, *, shard=3, identity="abc"):
    return parse_entry(text, shard=shard, identity=identity, where="toy.zarr, f")


def test_an_entry_comes_back_as_it_was():
    assert parse(ENTRY.to_text()) == ENTRY


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_every_flipped_bit_is_noticed(position, bit):
    data = bytearray(ENTRY.to_text().encode())
    data[position % len(data)] ^= 1 << bit
    with pytest.raises(CorruptStoreError, match="digest"):
        parse(data.decode(errors="replace"))


def test_text_with_a_right_digest_that_is_no_entry_is_refused():
    for content in ("[1]", "{}", '{"shard": 3}', "no JSON"):
        digest = xxhash.xxh3_64_hexdigest(content.encode())
        with pytest.raises(CorruptStoreError, match="other text"):
            parse(f"{digest} {content}")


def test_the_entry_of_another_shard_or_run_is_refused():
    with pytest.raises(CorruptStoreError, match="entry of shard 4"):
        parse(ENTRY.to_text(), shard=4)
    with pytest.raises(CorruptStoreError, match="has identity xyz"):
        parse(ENTRY.to_text(), identity="xyz")


def test_a_checksum_covers_the_bytes_in_order():
    rows = np.arange(24, dtype=np.float16).reshape(4, 6)
    assert checksum(rows) == xxhash.xxh3_64_hexdigest(rows.tobytes())
    assert checksum(rows[:0]) == xxhash.xxh3_64_hexdigest(b"")
    assert checksum(rows) != checksum(np.ascontiguousarray(rows[::-1]))
