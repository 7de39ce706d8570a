"""What is trained on features, each behind one small interface."""
