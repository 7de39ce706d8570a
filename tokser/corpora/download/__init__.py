"""Published corpora, fetched: what there is, how it comes, how it is unpacked and put in place."""
