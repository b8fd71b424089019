# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A language for tests: English with other letters. It has a complete catalogue of every page, and a glossary."""

from __future__ import annotations

from lib.translations import checks, glossary, markup
from lib.translations.catalogues import entries, read
from lib.translations.characters import folded
from lib.translations.checks import Rules
from lib.translations.languages import CATALOGUES, template_path
from lib.translations.markup import LINK, TEXT

_LETTERS = str.maketrans(
    "abcdefghiklmnoprstuvwyzABCDEFGHIKLMNOPRSTUVWYZ", "áḃćďéḟǵĥíḱĺḿńóṕŕśťúṽẃýźÁḂĆĎÉḞǴĤÍḰĹḾŃÓṔŔŚŤÚṼẂÝŹ"
)


def pseudo(text):
    """Return a text in this language."""
    return text.translate(_LETTERS)


def translated(entry):
    """Return an entry with its translation."""
    parts = [
        part._replace(text=pseudo(part.text)) if part.kind in (TEXT, LINK, "strong", "emphasis") else part
        for part in markup.parse(entry.source)
    ]
    return entry._replace(text=markup.as_rst(parts))


def rules(checkout):
    """Return the rules of this language."""
    terms = tuple(
        term._replace(use=tuple(folded(pseudo(form)) for form in _forms(term))) for term in glossary.terms(checkout)
    )
    return Rules("pseudo", terms, checks.names(checkout))


def _forms(term):
    """The forms of a term that its pattern finds, without an s at the end."""
    return term.pattern.pattern.partition("(?:")[2].partition(")")[0].replace("\\", "").split("|")


def complete_catalogues(checkout):
    """Return all entries of all pages that need a translation, with one."""
    names = checks.names(checkout)
    found = []
    for page in CATALOGUES:
        template = read(template_path(checkout, page))
        found += [translated(one) for one in entries(template, template, page)]
    return [one for one in found if checks.needs_translation(one.source, names)]
