"""The documentation site: `make docs` builds it into build/site, without a network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_site"))

import tokser
from tokser.api.aligner import pretrain
from tokser.api.pages import report

# Both are packages that are called like functions; autodoc documents the functions.
vars(tokser).update(pretrain=pretrain, report=report)

project = "tokser"
author = "The tokser developers"
project_copyright = author
release = version = tokser.__version__

extensions = [
    *("myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"),
    *("command_reference", "keyword_options", "navigation"),
]
exclude_patterns = ["_site", "_static"]
source_suffix = {".md": "markdown"}
root_doc = "index"
nitpicky = False
keep_warnings = True

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
highlight_language = "text"
smartquotes = False  # they would make a dash of `--`

# Docstrings are written with the marks of Markdown: `name` is code.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_preprocess_types = False
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_class_signature = "separated"
python_use_unqualified_type_names = True
viewcode_line_numbers = True

html_theme = "pydata_sphinx_theme"
html_title = f"tokser {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = (
    False  # a browser fetches no text of pages that were opened from a folder
)
html_show_copyright = False
html_show_sphinx = False
html_context = {"default_mode": "auto"}
html_sidebars = {"index": [], "changelog": [], "benchmarks": []}
html_theme_options = {
    "logo": {"text": "tokser"},
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "show_prev_next": True,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "back_to_top_button": False,
    "search_as_you_type": False,
}
