"""The cross-attention aligner: text tokens query speech frames, held against BERT."""
