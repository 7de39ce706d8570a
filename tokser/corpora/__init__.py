"""Corpora: recordings, transcripts and labels, listed in one manifest per corpus."""
