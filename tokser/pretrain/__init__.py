"""The cross-attention aligner: text tokens attend to speech frames, trained to match BERT."""
