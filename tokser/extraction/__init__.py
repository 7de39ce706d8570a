"""From a corpus to a store: encoders run over recordings and transcripts, shard by shard."""
