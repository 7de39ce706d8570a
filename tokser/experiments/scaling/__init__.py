"""How scores grow with the number of training speakers and utterances."""
