# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catalogues: files with entries of English text and its translation, in the format of gettext."""

from __future__ import annotations

from io import BytesIO
from typing import NamedTuple

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from .languages import catalogue_path, catalogues_of, template_path

_LICENCE = """\
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later"""
_WIDTH = 110


class Entry(NamedTuple):
    """One entry. Its number is its place in the page, from 1; ``text`` is empty if it has no translation."""

    page: str
    number: int
    source: str
    text: str = ""
    is_outdated: bool = False

    @property
    def where(self):
        """Its page and number, for messages."""
        return f"{self.page} #{self.number}"


def new_template(texts):
    """Return a catalogue with these English texts, each once, in their order."""
    template = empty(None)
    for text in texts:
        template.add(text)
    return template


def empty(locale):
    """Return a catalogue without entries."""
    return Catalog(locale=locale, project="polyvirt.core", header_comment=_LICENCE, fuzzy=False)


def read(path, locale=None):
    """Return the catalogue in a file; an empty one if it does not exist. An invalid file raises PoFileError."""
    if not path.exists():
        return empty(locale)
    with path.open("rb") as file:
        return read_po(file, locale=locale, abort_invalid=True)


def write(path, catalogue):
    """Write a catalogue. Its head has no dates, so that a file changes only with its entries."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_text(catalogue), encoding="utf-8")


def as_text(catalogue):
    """Return the text of the file of a catalogue."""
    file = BytesIO()
    for message in catalogue:
        message.flags.discard("python-format")  # No entry is a format of Python; Babel takes "5 %" for one.
    # The head is written here: Babel's has dates and its own version.
    write_po(file, catalogue, width=_WIDTH, omit_header=True, ignore_obsolete=True, include_previous=True)
    fields = ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
    fields = [f"Language: {catalogue.locale_identifier}", *fields] if catalogue.locale_identifier else fields
    fields = ["Project-Id-Version: polyvirt.core", *fields]
    head = "".join(f'"{one}\\n"\n' for one in fields)
    return f'{_LICENCE}\nmsgid ""\nmsgstr ""\n{head}\n{file.getvalue().decode("utf-8").strip()}\n'


def merge(catalogue, template, locale):
    """Return a catalogue with the entries of the template.

    Translations of unchanged entries are kept. An entry with changed English keeps its translation as outdated
    (``fuzzy``), with the English that it was made from.
    """
    merged = empty(locale)
    for message in catalogue:
        if message.id:
            merged.add(message.id, message.string, flags=message.flags, previous_id=message.previous_id)
    merged.update(template, keep_user_comments=False)
    for message in merged:
        if message.id and not message.string:
            message.flags.discard("fuzzy")
            message.previous_id = []
    return merged


def entries(catalogue, template, page):
    """Return an Entry for each text of the template, with what the catalogue has for it."""
    found = []
    for number, message in enumerate((one for one in template if one.id), start=1):
        own = catalogue.get(message.id)
        text, is_outdated = (own.string or "", own.fuzzy) if own else ("", False)
        found.append(Entry(page, number, message.id, text, is_outdated and bool(text)))
    return found


def read_language(checkout, language, pages=None):
    """Return {page: (its catalogue, its template)} of a language; by default of all its pages."""
    return {
        page: (read(catalogue_path(checkout, language, page)), read(template_path(checkout, page)))
        for page in pages or catalogues_of(language)
    }


def entries_of(checkout, language, pages=None):
    """Return all entries of a language, by page."""
    return {page: entries(*both, page) for page, both in read_language(checkout, language, pages).items()}


def has_surplus(catalogue, template):
    """Return whether a catalogue has entries that the English page does not have."""
    return bool(_ids(catalogue) - _ids(template))


def _ids(catalogue):
    return {message.id for message in catalogue if message.id}
