"""Configuration of the documentation, which `make docs` builds with Sphinx."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_extensions"))

# The examples store snapshots, plans, and journals in this folder. It is deleted when the build ends.
DATA_FOLDER = tempfile.TemporaryDirectory(prefix="frgroups-docs-")
os.environ |= {
    "FRGROUPS_HOME": DATA_FOLDER.name,
    "IPYTHONDIR": str(Path(DATA_FOLDER.name, "ipython")),
    "TQDM_DISABLE": "1",
    "NO_COLOR": "1",
    "COLUMNS": "100",
    "PYTHONPATH": str(DOCS.parent),
}
# Without ipywidgets, progress bars are text, which TQDM_DISABLE hides.
# The log level hides a warning about the network ports of the kernel, which are open on this machine only.
KERNEL_CONFIG = """
c.InteractiveShellApp.exec_lines = ["import sys; sys.modules['ipywidgets'] = None; del sys"]
c.IPKernelApp.log_level = 40
"""
profile = Path(os.environ["IPYTHONDIR"], "profile_default")
profile.mkdir(parents=True)
Path(profile, "ipython_kernel_config.py").write_text(KERNEL_CONFIG, encoding="utf-8")

for name in ("FRGROUPS_TENANT_UID", "FRGROUPS_TOKEN", "FRGROUPS_BASE_URL", "MPLBACKEND"):
    os.environ.pop(name, None)

from numpydoc.xref import DEFAULT_LINKS  # noqa: E402  # The variables must be set first.

import frgroups as fg  # noqa: E402  # The variables must be set first.
from name_links import public_paths  # noqa: E402  # The variables must be set first.

project = "frgroups"
author = "The frgroups authors"
project_copyright = "2026, The frgroups authors"
version = release = fg.__version__

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
    "accessible_html",
    "name_links",
    "reference_pages",
    "command_pages",
    "gallery_pages",
    "engine_pictures",
    "llms_index",
    "offline_check",
]
exclude_patterns = ["_build", "_extensions", "_static", "charts", "**.ipynb_checkpoints"]
smartquotes = False
nitpicky = True
nitpick_ignore = [("py:obj", "None"), ("py:class", "None")]
# Sphinx splits this type alias in the signatures of Client at its comma.
nitpick_ignore_regex = [("py:obj", r"typing\.Literal.*")]
default_role = "name_or_code"
highlight_language = "python"
maximum_signature_line_length = 88
python_use_unqualified_type_names = True
toc_object_entries = False

autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
numpydoc_show_class_members = False
# The types in the sections Returns and Raises link to the reference. Other types are not links.
# The default links lead to the documentation of Python, whose index would have to be downloaded.
DEFAULT_LINKS.clear()
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
numpydoc_xref_aliases = {name.rpartition(".")[2]: name for name in public_paths().values()}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_output_stderr = "error"
nb_merge_streams = True

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = f"frgroups {release}"
html_static_path = ["_static"]
html_css_files = ["frgroups.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_sidebars = {"index": [], "tutorial": [], "cheat-sheet": []}
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
