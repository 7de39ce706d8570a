"""Small corpora of synthetic speech, each in the layout of the real corpus it stands in for."""
