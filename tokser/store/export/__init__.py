"""Features of a store in other programs' formats, one piece at a time in memory."""
