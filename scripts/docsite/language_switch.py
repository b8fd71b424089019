# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An extension of Sphinx: each page links to the same page in other languages, and says whether it is a translation.

The English site is in a directory, and the pages of a language are in a directory of it with the code of the language.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

from lib.collection_path import CHECKOUT
from lib.guides import PREFIX, REPOSITORY
from lib.translations.catalogues import read
from lib.translations.languages import LANGUAGES, PAGES, SITE, pages_of
from lib.translations.pages import site_texts

ENGLISH = "en"
#: On the English site, antsibull-docs puts the guides into this directory. The content of README.md is a page of its
#: own, because the index has more than that.
GUIDES, README = "docsite/", "readme"
_PLUGIN = re.compile(r"ansible_collections\.polyvirt\.core\.(\w+)$")


def setup(app):
    """Connect the extension to Sphinx."""
    app.add_config_value("built_languages", [], "html", [list])
    app.connect("config-inited", _add_stylesheets)
    app.connect("missing-reference", _refer_to_english)
    app.connect("html-page-context", _add_languages)
    app.connect("build-finished", _set_direction)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}


def _is_from_right(config):
    return config.language in LANGUAGES and LANGUAGES[config.language].from_right


def _add_stylesheets(app, config):
    app.add_css_file("languages.css")
    if _is_from_right(config):
        app.add_css_file("from_right.css", priority=900)


def _refer_to_english(app, env, node, content):
    """Refer to an English page from a page of a language, which has only some pages."""
    if app.config.language == ENGLISH or node.get("refdomain") != "std":
        return None
    address = _english_address(node["reftarget"])
    if address is None:
        logging.getLogger(__name__).warning("no page has the label %s", node["reftarget"], location=node)
        return None
    return nodes.reference("", "", content, internal=False, refuri=f"../{address}")


def _english_address(label):
    """Return the address of a label on the English site, or None if no page has it."""
    if label.startswith(f"{PREFIX}."):
        page, _dot, anchor = label.removeprefix(f"{PREFIX}.").partition(".")
        is_known = f".. _{label}:" in _english_text(page)
        return f"{GUIDES}{page}.html{f'#{nodes.make_id(label)}' if anchor else ''}" if is_known else None
    plugin = _PLUGIN.match(label)
    return f"{plugin[1]}.html" if plugin else None


@cache
def _english_text(page):
    """Return the text of a page of the English site; empty if there is none."""
    source = CHECKOUT / "docs/docsite/rst" / f"{page}.rst"
    return source.read_text(encoding="utf-8") if source.exists() else ""


def _add_languages(app, pagename, templatename, context, doctree):
    language = app.config.language
    root = app.builder.get_relative_uri(pagename, "index").removesuffix("index.html")
    root += "" if language == ENGLISH else "../"
    page = _page_of(pagename, language)
    addresses = {ENGLISH: f"{root}{_english_page(page)}.html"}
    # Without languages, the command line sets an empty one.
    for code in filter(None, app.config.built_languages):
        addresses[code] = f"{root}{code}/{page if page in pages_of(code) else 'index'}.html"
    names = {ENGLISH: "English", **{code: one.name for code, one in LANGUAGES.items()}}
    context["page_in_languages"] = [
        {"code": code.replace("_", "-"), "name": names[code], "address": address, "is_this": code == language}
        for code, address in addresses.items()
    ]
    context["is_translated"] = language != ENGLISH
    context["english_page"], context["english_index"] = addresses[ENGLISH], f"{root}index.html"
    context["how_to_correct"] = f"{REPOSITORY}/blob/main/CONTRIBUTING.md#translations"
    context["site_texts"] = _site_texts(language, Path(app.config.locale_dirs[0]))


def _page_of(pagename, language):
    """Return the name of the page in all languages but English; without a translation, it is the index."""
    name = pagename.removeprefix(GUIDES) if language == ENGLISH else pagename
    return name if name in PAGES else "index"


def _english_page(page):
    return README if page == "index" else f"{GUIDES}{page}"


@cache
def _site_texts(language, folder):
    """Return the sentences around all pages, in the language of the site."""
    texts = site_texts(CHECKOUT)
    if language == ENGLISH:
        return texts
    catalogue = read(folder / language / "LC_MESSAGES" / f"{SITE}.po")
    found = {key: catalogue.get(text) for key, text in texts.items()}
    return {key: (one.string if one and not one.fuzzy else "") or texts[key] for key, one in found.items()}


def _set_direction(app, exception):
    """The theme writes the language of a page, but not its direction."""
    if exception or app.builder.name != "html" or not _is_from_right(app.config):
        return
    for path in Path(app.outdir).glob("*.html"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("<html ", '<html dir="rtl" ', 1), encoding="utf-8")
