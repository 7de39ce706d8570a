"""From recordings to transcripts, by a whole Whisper, and how far these are from given ones."""
