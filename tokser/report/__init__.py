"""The report page: what the results say, on one self-contained sheet."""
