# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the translated pages as HTML, next to the English site."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from textwrap import dedent

from .languages import FOLDER, SITE, pages_of
from .pages import page_text, write_pages

_CODE = re.compile(r"^( *)\.\. code-block:: .*\n\n((?:\1 +.*\n|\n)+)", re.MULTILINE)


def build(checkout, code, directory, built):
    """Build the pages of a language in ``directory/html/CODE``. ``built`` are the languages that the switch offers.

    Returns a line for each problem; a warning of Sphinx is one.
    """
    work = directory / "translated" / code
    shutil.rmtree(work, ignore_errors=True)
    write_pages(checkout, work / "pages", pages_of(code))
    # Sphinx writes compiled catalogues next to them. It looks for words of the theme in the one with its name.
    folder = work / "locales" / code / "LC_MESSAGES"
    shutil.copytree(checkout / FOLDER / code / "LC_MESSAGES", folder)
    if (folder / f"{SITE}.po").exists():
        shutil.copy(folder / f"{SITE}.po", folder / "sphinx.po")
    settings = {"language": code, "locale_dirs": work / "locales", "built_languages": ",".join(built)}
    target = directory / "html" / code
    command = [sys.executable, "-m", "sphinx", "--builder", "html", "--conf-dir", checkout / "scripts/docsite"]
    command += ["--doctree-dir", work / "doctrees", "--fail-on-warning", "--keep-going", "--quiet"]
    command += [word for name, value in settings.items() for word in ("--define", f"{name}={value}")]
    done = subprocess.run([*command, work / "pages", target], capture_output=True, text=True)
    if done.returncode:
        return [f"{code}: {line}" for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    return [problem for page in pages_of(code) for problem in _changed_code(checkout, code, page, target)]


def _changed_code(checkout, code, page, target):
    """Compare the code of a built page with that of the English one."""
    expected = [dedent(block).strip("\n") for _indent, block in _CODE.findall(page_text(checkout, page) + "\n")]
    found = code_of((target / f"{page}.html").read_text(encoding="utf-8"))
    return [] if found == expected else [f"{code}: {page}: blocks of code differ from the English ones"]


def code_of(html):
    """Return the blocks of code of a page."""
    parser = _Code()
    parser.feed(html)
    return [one.strip("\n") for one in parser.found]


class _Code(HTMLParser):
    """Collects the text of all ``pre``."""

    def __init__(self):
        super().__init__()
        self.found, self._is_code = [], False

    def handle_starttag(self, tag, attrs):
        if tag == "pre":
            self._is_code = True
            self.found.append("")

    def handle_endtag(self, tag):
        self._is_code = self._is_code and tag != "pre"

    def handle_data(self, data):
        if self._is_code:
            self.found[-1] += data


def dead_links(directory, codes):
    """Return a line for each link on pages of languages that leads to no file or place of the site.

    Without the English site in the same directory, links to it are not followed.
    """
    root, ids, found = directory / "html", {}, []
    is_whole = (root / "index.html").exists()
    for page in sorted(page for code in codes for page in (root / code).glob("*.html")):
        for address in sorted(set(re.findall(r'href="([^":]+)"', page.read_text(encoding="utf-8")))):
            path, _hash, place = re.sub(r"\?[^#]*", "", unescape(address)).partition("#")
            target = (page.parent / path).resolve() if path else page
            if not is_whole and target.parent.name not in codes:
                continue
            if target not in ids:
                ids[target] = _ids(target)
            if place not in ids[target]:
                found.append(f"{page.relative_to(root)}: {address} does not exist")
    return found


def _ids(path):
    """Return the places of a file that a link may name; nothing if the file does not exist."""
    if not path.exists():
        return set()
    text = path.read_text(encoding="utf-8") if path.suffix == ".html" else ""
    return {"", *(unescape(one) for one in re.findall(r'\bid="([^"]+)"', text))}
