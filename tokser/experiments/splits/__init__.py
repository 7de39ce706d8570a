"""Who is in train, dev and test; split files; what the parts share."""
