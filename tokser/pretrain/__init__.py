"""The cross-attention aligner: text tokens attend to speech frames, trained to match BERT."""

from tokser.callable_package import make_callable

make_callable(__name__, "tokser.api.aligner")
