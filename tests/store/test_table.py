from tokser.store.table import ids_of, parse_manifest


def test_ids_are_read_alone_as_they_are_written():
    text = 'id,path,transcript\n007,a.wav,"one, ""two"""\nNA,b.wav,\n'
    assert ids_of(text) == ["007", "NA"] == list(parse_manifest(text).index)
