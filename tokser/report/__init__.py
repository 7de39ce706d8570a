"""Results as a page, and as tables and figures in files."""
