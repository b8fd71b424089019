# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An extension of Sphinx: each page links to the file that a person edits. The pages themselves are generated."""

from __future__ import annotations

from lib.collection_path import CHECKOUT
from lib.guides import REPOSITORY
from lib.playbook_pages import BEGINNING


def setup(app):
    """Connect the extension to Sphinx."""
    app.connect("html-page-context", _add_address)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}


def _add_address(app, pagename, templatename, context, doctree):
    source = source_of(pagename)
    # antsibull-docs knows the file of a plugin or role.
    found = ((context.get("meta") or {}).get("github_url") or "").partition("?")[0]
    context["edit_address"] = f"{REPOSITORY}/edit/main/{source}" if source else found


def source_of(pagename):
    """Return the path of the file of a page in the repository; None if it is none of ours, or generated as a whole."""
    name = pagename.rpartition("/")[2]
    if name in ("index", "readme"):
        return "README.md"
    if name.startswith(BEGINNING):
        return f"playbooks/{name.removeprefix(BEGINNING)}.meta.yml"
    guide = f"docs/{name}.md"
    return guide if (CHECKOUT / guide).exists() else None
