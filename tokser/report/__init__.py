"""Results as a page, and as tables and figures in files."""

from tokser.callable_package import make_callable

make_callable(__name__, "tokser.api.pages")
