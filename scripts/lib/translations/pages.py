# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The English pages of the translated part of the site, and the entries that Sphinx finds in them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ..guides import readme_lines, with_pictures
from .catalogues import as_text, merge, new_template, read, write
from .languages import FOLDER, LANGUAGES, PAGES, SITE, catalogue_path, catalogues_of, read_yaml, template_path

_DIGESTS = f"{FOLDER}/pot/sources.yml"
_DIGESTS_HEAD = """\
---
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by scripts/languages.sh update: the English pages that the entries in this directory were taken from.
"""


def page_text(checkout, page, listed=PAGES):
    """Return the English of a page as reStructuredText. The index ends with a list of the pages in ``listed``."""
    if page != "index":
        return (checkout / "docs/docsite/rst" / f"{page}.rst").read_text(encoding="utf-8")
    others = "".join(f"    {other}\n" for other in listed[1:])
    options = "    :caption: Guides in this language\n    :maxdepth: 1\n"
    return f"{readme_text(checkout)}\n.. toctree::\n{options}\n{others}"


def readme_text(checkout):
    """Return the content of README.md as reStructuredText."""
    return "\n".join(readme_lines(checkout)) + "\n"


def write_pages(checkout, folder, listed):
    """Write English pages and their pictures to a directory, where Sphinx reads them."""
    shutil.copytree(checkout / "docs/images", folder / "images")
    for page in listed:
        text = with_pictures(page_text(checkout, page, listed), "/images/")
        (folder / f"{page}.rst").write_text(text, encoding="utf-8")


def site_texts(checkout):
    """Return the sentences around the pages: {key: English}."""
    return read_yaml(checkout / FOLDER / f"{SITE}.yml")["texts"]


def digests(checkout):
    """Return a digest of each English page."""
    texts = {page: page_text(checkout, page) for page in PAGES}
    return {page: hashlib.sha256(text.encode()).hexdigest()[:16] for page, text in texts.items()}


def changed_pages(checkout):
    """Return the pages with English that has changed since their entries were taken from them."""
    path = checkout / _DIGESTS
    known = read_yaml(path) if path.exists() else {}
    found = [page for page, digest in digests(checkout).items() if known.get(page) != digest]
    site = as_text(new_template(site_texts(checkout).values()))
    template = template_path(checkout, SITE)
    return found if template.exists() and template.read_text(encoding="utf-8") == site else [*found, SITE]


def extract(checkout):
    """Return {page: catalogue of its English entries}. Sphinx finds them: prose, but no code."""
    with tempfile.TemporaryDirectory() as folder:
        write_pages(checkout, Path(folder, "pages"), PAGES)
        command = [sys.executable, "-m", "sphinx", "--builder", "gettext", "--quiet", "--conf-dir"]
        command += [str(checkout / "scripts/docsite"), f"{folder}/pages", f"{folder}/pot"]
        subprocess.run(command, check=True)
        found = {page: read(Path(folder, "pot", f"{page}.pot")) for page in PAGES}
    texts = {page: [one.id for one in catalogue if one.id] for page, catalogue in found.items()}
    texts[SITE] = site_texts(checkout).values()
    return {page: new_template(listed) for page, listed in texts.items()}


def update(checkout):
    """Take the entries from the English pages, and mark translations of changed ones as outdated.

    Returns the pages of languages that changed: {language: {page: number of outdated entries}}.
    """
    for page, template in extract(checkout).items():
        write(template_path(checkout, page), template)
    lines = "".join(f"{page}: {digest}\n" for page, digest in digests(checkout).items())
    (checkout / _DIGESTS).write_text(_DIGESTS_HEAD + lines, encoding="utf-8")
    return {code: _update_language(checkout, code) for code in LANGUAGES}


def _update_language(checkout, code):
    changed = {}
    for page in catalogues_of(code):
        path = catalogue_path(checkout, code, page)
        if not path.exists():
            continue
        merged = merge(read(path, code), read(template_path(checkout, page)), code)
        if as_text(merged) != path.read_text(encoding="utf-8"):
            write(path, merged)
            changed[page] = sum(one.fuzzy for one in merged if one.id)
    return changed
