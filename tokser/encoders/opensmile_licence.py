"""The licence of openSMILE, which is not tokser's."""

__all__ = ["LICENCE"]

LICENCE = "audEERING Research License (non-commercial use)"
