# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of Sphinx for the documentation site (scripts/docsite.sh)."""

from __future__ import annotations

import sys
from pathlib import Path

# The extension language_switch, and what it imports.
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

project = "polyvirt.core"
copyright = "2026, polyvirt contributors"  # noqa: A001 - Sphinx reads this name.
title = html_short_title = html_title = "polyvirt.core"
language = "en"

# Roles and directives of the pages that antsibull-docs writes. A build needs no network: addresses of other sites are
# not looked up.
extensions = ["sphinx_antsibull_ext", "sphinx_copybutton", "sphinx_design", "edit_links", "language_switch"]
default_role = "any"
highlight_language = "YAML+Jinja"
pygments_style = "ansible"
pygments_dark_style = "github-dark"

# Each page has its own catalogue, with entries in the order of the page and without its line numbers, which change.
gettext_compact = False
gettext_location = False
gettext_uuid = False
# In a language that is written from right to left, English paragraphs are not.
translation_progress_classes = "untranslated"

templates_path = ["templates"]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme = "furo"
_REPOSITORY = "https://github.com/polyvirt/polyvirt.core"
html_theme_options = {
    "source_repository": _REPOSITORY,
    "footer_icons": [{"name": "GitHub", "url": _REPOSITORY, "html": "GitHub", "class": ""}],
    "top_of_page_buttons": ["edit"],
}
html_search_scorer = str(Path(__file__).resolve().parent / "scorer.js")
# The prompt and the output of a session are not copied.
copybutton_prompt_text = "$ "
html_show_sphinx = False
html_use_index = False
html_copy_source = False
# References to documents of Ansible itself, such as its glossary and its environment variables.
suppress_warnings = ["ref.any", "ref.ref", "ref.envvar"]
