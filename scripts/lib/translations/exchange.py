# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries as numbered text, which is quicker to translate than catalogues.

``#12`` alone on a line begins entry 12 of the page; its text follows, in the Markdown of markup.py. Lines that begin
with ``#~`` are remarks. A file that ends in .json has an object instead: {"12": "text"}.
"""

from __future__ import annotations

import json
import random
import re
from typing import NamedTuple

from babel.messages.catalog import Message

from . import checks, markup
from .catalogues import empty, entries, read, write
from .characters import straight
from .languages import catalogue_path, catalogues_of, template_path

_NUMBER = re.compile(r"#(\d+)\s*$")
_DENSE = "\u3000-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef"


class Imported(NamedTuple):
    """Numbers of the entries that were written, pages that got some of them too, and a line for each problem."""

    written: list
    others: dict
    problems: list


def page_entries(checkout, code, page):
    """Return the entries of one page of a language."""
    template, catalogue = read(template_path(checkout, page)), read(catalogue_path(checkout, code, page))
    return entries(catalogue, template, page)


def to_do(listed, rules):
    """Return the entries that have no current translation and need one."""
    return [one for one in listed if (not one.text or one.is_outdated) and rules.needs_translation(one.source)]


def export(listed, as_json=False):
    """Return entries as numbered text. An outdated translation is a remark before the English."""
    if as_json:
        texts = {str(one.number): markup.to_markdown(one.source) for one in listed}
        return json.dumps(texts, ensure_ascii=False, indent=0) + "\n"
    return "".join(f"#{one.number}\n{_remark(one)}{markup.to_markdown(one.source)}\n" for one in listed)


def _remark(entry):
    return f"#~ outdated: {markup.to_markdown(entry.text)}\n" if entry.is_outdated else ""


def parse(text):
    """Return {number: Markdown} of a numbered text or of JSON."""
    if text.lstrip().startswith("{"):
        return {int(number): value for number, value in json.loads(text).items()}
    found, number = {}, None
    for line in text.splitlines():
        if match := _NUMBER.match(line):
            number = int(match[1])
            if number in found:
                raise ValueError(f"#{number} is there twice")
            found[number] = []
        elif number is not None and not line.startswith("#~"):
            found[number].append(line.strip())
        elif line.strip() and not line.startswith("#~"):
            raise ValueError(f"the text begins without a number: {line[:60]}")
    return {one: join_lines(lines) for one, lines in found.items()}


def join_lines(lines):
    """Return lines as one; there is no blank between two Chinese or Japanese characters."""
    text = " ".join(line for line in lines if line)
    return re.sub(rf"(?<=[{_DENSE}]) (?=[{_DENSE}])", "", text) if len(lines) > 1 else text


def import_page(checkout, code, page, texts, rules):
    """Write translations of a page to its catalogue, those with a problem excepted.

    Other pages get the translation of an entry that they have too, unless they have one already.
    """
    by_number = {one.number: one for one in page_entries(checkout, code, page)}
    done, problems = {}, []
    for number, text in texts.items():
        found = _converted(by_number.get(number), text, rules)
        if isinstance(found, list):
            problems += [f"{page} #{number}: {problem}" for problem in found]
        elif found.text:
            done[found.source] = found
    _write(checkout, code, page, {source: one.text for source, one in done.items()})
    others = {other: _fill(checkout, code, other, done) for other in catalogues_of(code) if other != page}
    numbers = [one.number for one in done.values()]
    return Imported(numbers, {other: count for other, count in others.items() if count}, problems)


def _converted(entry, text, rules):
    """Return the translated entry, or a list of problems."""
    if entry is None:
        return ["there is no such entry"]
    try:
        translated = entry._replace(text=markup.to_rst(straight(text.strip()), entry.source), is_outdated=False)
    except markup.InvalidEntry as problem:
        return [str(problem)]
    return (checks.problems_of(translated, rules) if translated.text else []) or translated


def _fill(checkout, code, page, done):
    """Write translations of another page to this one where it has none; return how many."""
    missing = [one.source for one in page_entries(checkout, code, page) if not one.text and one.source in done]
    _write(checkout, code, page, {source: done[source].text for source in missing})
    return len(missing)


def _write(checkout, code, page, texts):
    """Write {English: translation} to the catalogue of a page, with its entries in the order of the page."""
    if not texts:
        return
    template, old = read(template_path(checkout, page)), read(catalogue_path(checkout, code, page), code)
    catalogue = empty(code)
    for message in template:
        if not message.id:
            continue
        own = old.get(message.id)
        text = texts.get(message.id)
        flags = own.flags if own and text is None else ()
        catalogue[message.id] = Message(
            message.id, text if text is not None else own.string if own else "", flags=flags
        )
    write(catalogue_path(checkout, code, page), catalogue)


def sample(by_page, seed, number=40):
    """Return entries for a reader who translates them back: random ones with some words, the same for each seed."""
    listed = [one for found in by_page.values() for one in found if one.text and not one.is_outdated]
    long = [one for one in listed if len(re.findall(r"[^\W\d_]{2,}", markup.prose(markup.parse(one.source)))) >= 6]
    return random.Random(seed).sample(long, min(number, len(long)))  # noqa: S311 - no secret depends on it
