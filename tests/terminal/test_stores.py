from tokser.terminal.stores import provenance_table, store_table


def test_numbers_of_a_store_are_shown_whole(text_of):
    feature = {
        "name": "wav2vec2-large-xlsr-53-of-somebody/layer-24", "num_rows": 123_456_789, "dim": 1024,
        "dtype": "float16", "num_bytes": 9_876_543_210_000, "compression": "none",
        "complete_percent": 100.0, "pooled": True,
    }  # fmt: skip
    content = {"path": "a.zarr", "dataset": "d", "num_utterances": 1, "backend": "zarr"}
    text = text_of(store_table(content | {"format": 1, "features": [feature]}))
    assert "…" not in text and "123,456,789" in text and "9876.543" in text


def test_nested_provenance_is_shown_by_its_keys(text_of):
    digest = 64 * "a"
    content = {"provenance": {"run": {"trained_on": {"speech": {"weights_sha256": digest}}}}}
    text = text_of(provenance_table(content))
    assert "trained_on.speech.weights_sha256 aaaaaaaaaaaa…" in " ".join(text.split())
