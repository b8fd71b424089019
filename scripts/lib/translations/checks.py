# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine can find in a translation. Each check returns a problem as text, or None.

Whether the meaning is the same, it cannot find: a dropped "not" passes all checks.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from . import markup
from .characters import folded, foreign_characters, has_letters, straight, width
from .glossary import found_terms, glossary
from .languages import FOLDER, LANGUAGES, read_yaml
from .markup import CODE, EMPHASIS, LINK, PLUGIN, STRONG

#: Length of a translation as a part of the length of its English. Shorter entries may have any length.
SHORTEST, SHORTEST_IF_DENSE, LONGEST, MEASURED_FROM = 0.5, 0.35, 2.5, 25
_NUMBER = re.compile("\\d+(?:[.,:'\u00a0\u202f]\\d+)*")
_WORDS = {
    **dict.fromkeys(("a", "an", "one", "once", "first", "single", "only", "same"), "1"),
    **dict.fromkeys(("two", "twice", "second", "both", "half", "pair"), "2"),
    **{"three": "3", "third": "3", "four": "4", "fourth": "4", "five": "5", "fifth": "5", "six": "6", "seven": "7"},
    **{"eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "fourteen": "14", "hundred": "100"},
}
_PLACEHOLDER = re.compile(r"\{\w+\}|%\(\w+\)s")
_ENDINGS = {".": ".。．।۔", ":": ":：", "?": "?？؟", "!": "!！"}
_CLOSING = " )\"'*»」）\u00a0"


class Rules(NamedTuple):
    """What the checks of a language compare with."""

    code: str
    terms: tuple
    names: re.Pattern
    same: frozenset = frozenset()

    @property
    def language(self):
        """The Language; a test may use a code that is none."""
        return LANGUAGES.get(self.code) or LANGUAGES["de"]

    def needs_translation(self, source):
        """Whether an English entry has words, and is not listed as the same in this language."""
        return markup.to_markdown(source) not in self.same and needs_translation(source, self.names)


def rules_of(checkout, code):
    """Return the Rules of a language: its glossary, and the entries that may be the same as the English."""
    own = checkout / FOLDER / code / "same.yml"
    same = (read_yaml(own) or {}).get("same") or [] if own.exists() else []
    return Rules(code, tuple(glossary(checkout, code)), names(checkout), frozenset(same))


def names(checkout):
    """Return the pattern of names that no language translates."""
    listed = read_yaml(checkout / FOLDER / "names.yml")["names"]
    longest_first = sorted((re.escape(str(one)) for one in listed), key=len, reverse=True)
    return re.compile(rf"(?<![\w.])(?:{'|'.join(longest_first)})(?!\w)")


def needs_translation(source, pattern):
    """Whether an English entry has words other than code, names, and words with digits such as 2G."""
    text = re.sub(r"\w*\d\w*", " ", pattern.sub(" ", markup.prose(markup.parse(source))))
    return re.search(r"[^\W\d_]", text) is not None


class _Compared:
    """Both texts of an entry, with their parts."""

    def __init__(self, entry):
        self.source, self.text = entry.source, entry.text
        self.parts, self.own_parts = markup.parse(entry.source), markup.parse(entry.text)
        self.prose, self.own_prose = markup.prose(self.parts), markup.prose(self.own_parts)

    def counts(self, *kinds):
        """Return how often each part of these kinds is in the English, and in the translation."""
        return tuple(Counter(_key(one) for one in parts if one.kind in kinds) for parts in (self.parts, self.own_parts))


def _key(part):
    if part.kind in (STRONG, EMPHASIS):
        return part.kind
    return part.target if part.kind == LINK else f"{part.text} <{part.target}>" if part.target else part.text


def _difference(expected, found, what):
    lost, added = list((expected - found).elements()), list((found - expected).elements())
    texts = ([f"lost {', '.join(lost)}"] if lost else []) + ([f"added {', '.join(added)}"] if added else [])
    return f"{what}: {'; '.join(texts)}" if texts else None


def same_code(both, rules):
    """Code and names of plugins are the same."""
    return _difference(*both.counts(CODE, PLUGIN), "code")


def same_links(both, rules):
    """The links lead to the same places."""
    return _difference(*both.counts(LINK), "links")


def same_emphasis(both, rules):
    """As many pieces are bold or emphasized."""
    return _difference(*both.counts(STRONG, EMPHASIS), "bold or emphasis")


def separate_markup(both, rules):
    """Markup is written so that it is recognized next to letters."""
    expected = markup.as_rst(both.own_parts)
    return None if expected == both.text else f"markup is written differently: {expected}"


def same_numbers(both, rules):
    """All numbers are the same, in ASCII digits. A number may replace an English word such as "two"."""
    if re.search(r"[^\W\D0-9]", both.own_prose):
        return "numbers: use the digits 0 to 9"
    expected, found = _numbers(both.prose), _numbers(both.own_prose)
    words = {_WORDS[one] for one in re.findall(r"[a-z]+", both.prose.lower()) if one in _WORDS}
    added = Counter({value: count for value, count in (found - expected).items() if value not in words})
    return _difference(expected - found, added, "numbers")


def _numbers(text):
    """Return the numbers of a text, without separators: 10,000 and 10.000 are the same."""
    return Counter(re.sub(r"\D", "", one) for one in _NUMBER.findall(text))


def same_placeholders(both, rules):
    """Placeholders such as ``{name}`` are the same."""
    return _difference(*(Counter(_PLACEHOLDER.findall(one)) for one in (both.prose, both.own_prose)), "placeholders")


def same_ending(both, rules):
    """A sentence ends as a sentence, and what introduces a list or code ends with a colon."""
    ending, own = (one.rstrip(_CLOSING)[-1:] for one in (both.prose, both.own_prose))
    if ending in _ENDINGS and own not in _ENDINGS[ending]:
        return f"the end: expected one of {' '.join(_ENDINGS[ending])}, found {own}"
    return f"the end: the English has no {own}" if own in _ENDINGS["."] and ending not in _ENDINGS else None


def uses_glossary(both, rules):
    """Each term of the English is translated as the glossary says."""
    text = folded(both.own_prose)
    needed = [one for one in found_terms(both.prose, rules.terms) if one.use]
    missing = [one for one in needed if not any(use in text for use in one.use)]
    return "glossary: " + "; ".join(f"{one.name}: {' / '.join(one.use)}" for one in missing) if missing else None


def has_length(both, rules):
    """The translation is neither much shorter nor much longer."""
    expected, found = width(both.prose), width(both.own_prose)
    shortest = SHORTEST_IF_DENSE if rules.language.is_dense else SHORTEST
    if expected < MEASURED_FROM or shortest <= found / expected <= LONGEST:
        return None
    return f"length: {found / expected:.2f} of the English; expected {shortest} to {LONGEST}"


def is_translated(both, rules):
    """The entry differs from the English, unless it is listed."""
    if both.text != both.source or not rules.needs_translation(both.source):
        return None
    return "the same as the English; if that is right, add it to same.yml"


def has_script(both, rules):
    """The entry has letters of the language, and of Chinese only characters of this way of writing."""
    foreign = foreign_characters(both.own_prose, rules.code)
    if foreign:
        return f"characters: {' '.join(foreign)}"
    letters = rules.language.letters
    if not letters or not rules.needs_translation(both.source):
        return None
    return None if has_letters(both.own_prose, letters) else f"no letters of {rules.language.name}"


def has_straight_quotes(both, rules):
    """Quotes and apostrophes are those of a keyboard."""
    return None if straight(both.text) == both.text else "quotes: write ' and \"; the site shows those of the language"


CHECKS = (
    *(same_code, same_links, same_emphasis, separate_markup, same_numbers, same_placeholders, same_ending),
    *(uses_glossary, has_length, is_translated, has_script, has_straight_quotes),
)


def problems_of(entry, rules):
    """Return the problems of a translated entry."""
    both = _Compared(entry)
    return [problem for check in CHECKS for problem in [check(both, rules)] if problem]


def problems(entries, rules, is_complete):
    """Return a line for each problem of these entries; of a complete language, also for what is missing or outdated."""
    found = []
    for entry in entries:
        if entry.text and not entry.is_outdated:
            found += [f"{entry.where}: {problem}" for problem in problems_of(entry, rules)]
        elif is_complete and rules.needs_translation(entry.source):
            found.append(f"{entry.where}: {'outdated' if entry.is_outdated else 'missing'}: {entry.source[:60]}")
    return found
