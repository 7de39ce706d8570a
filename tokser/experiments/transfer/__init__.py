"""Training on one corpus and testing on another: label maps, the matrix of corpora, its scores."""
