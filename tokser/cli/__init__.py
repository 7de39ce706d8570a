"""The command line: parse, call one stage, exit with its code. The only room that knows click."""

from tokser.cli.main import main

__all__ = ["main"]
