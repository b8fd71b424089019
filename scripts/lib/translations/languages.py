# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The languages of the documentation, the pages that are translated, and where their files are."""

from __future__ import annotations

from typing import NamedTuple

import yaml

FOLDER = "docs/locales"
#: The guides in every language, in the order of the site. ``index`` is the content of README.md.
COMMON_PAGES = (
    *("index", "first-steps", "user-guide", "images", "backups", "inventory", "installs", "molecule", "awx", "vmm"),
)
#: Guides in some languages only.
PLATFORM_PAGES = ("libvirt", "proxmox")
PAGES = (*COMMON_PAGES, *PLATFORM_PAGES)
#: The sentences that every page shows around its text; their English is docs/locales/site.yml.
SITE = "site"
CATALOGUES = (*PAGES, SITE)


class Language(NamedTuple):
    """A language. ``letters`` is a range of Unicode: one letter of it is in every translated entry."""

    name: str
    letters: str = ""
    from_right: bool = False
    #: Few letters for many words.
    is_dense: bool = False
    #: It has PLATFORM_PAGES, too.
    has_platforms: bool = False


_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
LANGUAGES = {
    "ar": Language("العربية", "\u0600-\u06ff", from_right=True),
    "de": Language("Deutsch", has_platforms=True),
    "es": Language("Español", has_platforms=True),
    "fr": Language("Français", has_platforms=True),
    "hi": Language("हिन्दी", "\u0900-\u097f"),
    "it": Language("Italiano"),
    "ja": Language("日本語", f"\u3040-\u30ff{_HAN}", is_dense=True, has_platforms=True),
    "ko": Language("한국어", "\uac00-\ud7a3", is_dense=True),
    "nl": Language("Nederlands"),
    "pt_BR": Language("Português (Brasil)", has_platforms=True),
    "ru": Language("Русский", "\u0400-\u04ff"),
    "zh_CN": Language("简体中文", _HAN, is_dense=True, has_platforms=True),
    "zh_TW": Language("繁體中文", _HAN, is_dense=True),
}


def pages_of(code):
    """Return the guides of a language, in the order of the site."""
    return PAGES if LANGUAGES[code].has_platforms else COMMON_PAGES


def catalogues_of(code):
    """Return the names of the catalogues of a language."""
    return (*pages_of(code), SITE)


def complete(checkout):
    """Return the languages with complete catalogues: these are on the site, and every check holds for them."""
    found = read_yaml(checkout / FOLDER / "complete.yml")["complete"]
    unknown = [one for one in found if one not in LANGUAGES]
    if unknown:
        raise ValueError(f"{FOLDER}/complete.yml: unknown languages: {', '.join(unknown)}")
    return found


def catalogue_path(checkout, language, page):
    """Return the path of the catalogue of a page."""
    return checkout / FOLDER / language / "LC_MESSAGES" / f"{page}.po"


def template_path(checkout, page):
    """Return the path of the English entries of a page."""
    return checkout / FOLDER / "pot" / f"{page}.pot"


def read_yaml(path):
    """Return the content of a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))
