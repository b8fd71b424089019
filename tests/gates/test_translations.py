# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catalogues of translations are those of the English pages, and complete languages have no problem."""

from __future__ import annotations

import pytest

import languages as command
from collection_path import CHECKOUT
from lib.translations import checks
from lib.translations.catalogues import read
from lib.translations.glossary import NUMBER_OF_TERMS, found_terms, terms
from lib.translations.languages import CATALOGUES, FOLDER, LANGUAGES, complete, template_path
from lib.translations.markup import parse, prose
from lib.translations.pages import changed_pages

#: English pages change before their translations, so nothing here can fail in the run of a change.
pytestmark = pytest.mark.deep("nothing: translations are compared before a release, and each week")
UPDATE = "To take the entries from the English pages: scripts/languages.sh update"


def _ids(page):
    return [one.id for one in read(template_path(CHECKOUT, page)) if one.id]


@pytest.mark.skipif(not complete(CHECKOUT), reason="no language is on the site")
def test_entries_are_those_of_the_english_pages():
    assert changed_pages(CHECKOUT) == [], UPDATE


@pytest.mark.parametrize("code", complete(CHECKOUT))
def test_complete_language_has_no_problem(code):
    assert command.check_language(code) == []


def test_there_are_sixty_terms_that_the_pages_have():
    listed = terms(CHECKOUT)
    assert len(listed) == NUMBER_OF_TERMS
    texts = [prose(parse(one)) for page in CATALOGUES for one in _ids(page)]
    used = {term.name for text in texts for term in found_terms(text, listed)}
    assert {term.name for term in listed} - used == set()


def test_every_name_is_used():
    texts = "\n".join(prose(parse(one)) for page in CATALOGUES for one in _ids(page))
    used = set(checks.names(CHECKOUT).findall(texts))
    listed = command.languages.read_yaml(CHECKOUT / FOLDER / "names.yml")["names"]
    assert [one for one in listed if one not in used] == []


def test_each_directory_is_of_a_language():
    found = {path.name for path in (CHECKOUT / FOLDER).iterdir() if path.is_dir()}
    assert found - {"pot"} <= set(LANGUAGES)
