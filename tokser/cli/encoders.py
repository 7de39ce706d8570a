"""`tokser encoders`: what `--encoder` takes."""

from tokser.cli.options import command, json_option
from tokser.cli.output import print_json, show

__all__ = ["encoders"]


@command(example="tokser encoders --json")
@json_option
def encoders(*, as_json: bool) -> None:
    """List the encoders that tokser can run, and those that other packages register.

    Model folders and hub ids belong to a family of models (`model_type` in config.json). Others go
    by a name: opensmile:eGeMAPSv02, or what a package registers.
    """
    from tokser.stages.encoders import encoders as known_encoders

    known = known_encoders()
    if as_json:
        print_json({"encoders": known})
    else:
        from tokser.terminal.installation import encoders_table

        show(encoders_table(known))
