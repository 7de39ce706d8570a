"""Heads over frames: what they share. Models lie along a leading axis, utterances are ragged."""
