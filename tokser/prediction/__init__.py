"""From a trained model and new recordings to predictions, by the encoders that it names."""
