"""`python -m tokser`."""

from tokser.cli import main

main(prog_name="tokser")
