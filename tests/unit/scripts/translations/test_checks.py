# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each check of translations finds what it is for, in a catalogue of all pages, and in those of complete languages."""

from __future__ import annotations

import re

import pytest

from collection_path import CHECKOUT
from lib.translations import checks, markup
from lib.translations.catalogues import Entry, entries_of
from lib.translations.glossary import found_terms
from lib.translations.languages import complete
from suite import belts
from unit.scripts.translations import pseudo_language

NAMES = checks.names(CHECKOUT)
CATALOGUES = {"pseudo": (pseudo_language.complete_catalogues(CHECKOUT), pseudo_language.rules(CHECKOUT))}


def _of_language(code):
    if code not in CATALOGUES:
        listed = [one for entries in entries_of(CHECKOUT, code).values() for one in entries]
        # A translation that is outdated belongs to another English text.
        found = [one for one in listed if one.text and not one.is_outdated]
        CATALOGUES[code] = found, checks.rules_of(CHECKOUT, code)
    return CATALOGUES[code]


def _without(kind):
    """Return a mutation: the first part of this kind is lost."""

    def mutated(entry, rules):
        parts = markup.parse(entry.text)
        first = next((one for one in parts if one.kind == kind), None)
        return first and markup.as_rst([one for one in parts if one is not first])

    return mutated


def _wrong_number(entry, rules):
    prose = markup.prose(markup.parse(entry.text))
    number = re.search(r"(?<![\w.,])[2-9]\d+(?![\w.,])", prose)
    return number and entry.text.count(number[0]) == 1 and entry.text.replace(number[0], f"1{number[0]}")


def _swapped_terms(entry, rules):
    """Of an entry with one of two terms, the translation of the other one."""
    terms = {one.name: one for one in rules.terms}
    names = {one.name for one in found_terms(markup.prose(markup.parse(entry.source)), rules.terms)}
    for here, other in (("host", "guest"), ("guest", "host")):
        # The check compares parts of words: in Arabic, the word for a host contains the one for a guest.
        if any(use in terms[other].use[0] for use in terms[here].use):
            continue
        if here in names and other not in names and "guest agent" not in names:
            return re.sub(
                "|".join(map(re.escape, terms[here].use)), terms[other].use[0], entry.text, flags=re.IGNORECASE
            )
    return None


def _cut_off(entry, rules):
    return (
        len(entry.source) > 80 and markup.to_markdown(entry.text) == entry.text and entry.text[: len(entry.text) // 5]
    )


def _left_in_english(entry, rules):
    return entry.source


def _without_end(entry, rules):
    return entry.source[-1:] == "." and entry.source[-2:] != ".." and entry.text[-1] in ".。।" and entry.text[:-1]


MUTATIONS = {
    "code": (_without("code"), "code: lost"),
    "plugin": (_without("plugin"), "code: lost"),
    "link": (_without("link"), "links: lost"),
    "bold": (_without("strong"), "bold or emphasis: lost"),
    "number": (_wrong_number, "numbers: "),
    "terms": (_swapped_terms, "glossary: "),
    "length": (_cut_off, "length: "),
    "English": (_left_in_english, "the same as the English"),
    "end": (_without_end, "the end: "),
}


def test_complete_catalogues_have_no_problems():
    listed, rules = CATALOGUES["pseudo"]
    assert len(listed) > 700
    assert checks.problems(listed, rules, is_complete=True) == []


def _mutated(name, code):
    """Return each entry that the mutation changes, with the changed text."""
    listed, rules = _of_language(code)
    if name == "English":
        listed = [one for one in listed if rules.needs_translation(one.source) and one.text != one.source]
    return [(one, text) for one in listed for text in [MUTATIONS[name][0](one, rules)] if text and text != one.text]


def _silent(changed, name, code):
    """Return the changed entries in which no check finds the mutation."""
    expected, rules = MUTATIONS[name][1], _of_language(code)[1]
    return [
        (one.where, text)
        for one, text in changed
        if not any(found.startswith(expected) for found in checks.problems_of(one._replace(text=text), rules))
    ]


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_found_in_every_entry(name):
    changed = _mutated(name, "pseudo")
    assert len(changed) >= 5
    assert _silent(changed, name, "pseudo") == []


@pytest.mark.parametrize("code", complete(CHECKOUT))
@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_found_in_entries_of_a_language(name, code, pytestconfig):
    changed = _mutated(name, code)
    assert len(changed) >= 3
    assert _silent(belts.share(pytestconfig, changed, 40), name, code) == []


def test_dropped_not_is_not_found():
    """What a machine cannot find: this is why a reader translates a sample back."""
    listed, rules = CATALOGUES["pseudo"]
    word = f" {pseudo_language.pseudo('not')} "
    changed = [one._replace(text=one.text.replace(word, " ", 1)) for one in listed if word in one.text]
    assert len(changed) > 50
    assert checks.problems(changed, rules, is_complete=True) == []


def _problems(code, source, text, same=()):
    return checks.problems_of(Entry("p", 1, source, text), checks.Rules(code, (), NAMES, frozenset(same)))


@pytest.mark.parametrize(
    ("code", "source", "text", "problem"),
    [
        ("ja", "The task fails.", "The task schlägt fehl.", "no letters of 日本語"),
        ("ru", "The task fails.", "Задача завершается ошибкой.", None),
        ("hi", "The task fails.", "कार्य विफल होता है।", None),
        ("ar", "It has 12 disks.", "لديه 12 قرصًا.", None),
        ("ar", "It has 12 disks.", "لديه ١٢ قرصًا.", "numbers: use the digits 0 to 9"),
        ("zh_TW", "The task fails.", "任务失败。", "characters: 务 败"),
        ("zh_TW", "The task fails.", "任務失敗。", None),
        ("zh_CN", "The task fails.", "任務失敗。", "characters: 務 敗"),
        ("zh_TW", "Later", "以后", "characters: 后"),
        ("ja", "Two VMs", "2 つの VM", None),
        ("de", "about 10,000 pairs", "etwa 10.000 Paare", None),
        ("de", "about 10,000 pairs", "etwa 1.000 Paare", "numbers: lost 10000; added 1000"),
        ("fr", "about 10,000 pairs", "environ 10\u202f000 paires", None),
        ("de", "a VM", "eine VM mit 3 Platten", "numbers: added 3"),
        ("de", "Copy of {name}.", "Eine Kopie.", "placeholders: lost {name}"),
        ("de", "yes", "ja", None),
        ("de", "Host", "Host", "the same as the English; if that is right, add it to same.yml"),
        ("zh_CN", "use ``vm``", "使用``vm``", "markup is written differently: 使用\\ ``vm``"),
        ("de", "It fails:", "Es geht nicht.", "the end: expected one of : ：, found ."),
        ("de", "fails", "Es geht nicht.", "the end: the English has no ."),
        ("fr", "a file", "d\u2019un fichier", "quotes: write ' and \"; the site shows those of the language"),
        ("fr", "a file", "d'un fichier", None),
    ],
)
def test_problems_of_an_entry(code, source, text, problem):
    assert _problems(code, source, text) == ([problem] if problem else [])


def test_entry_of_the_list_may_be_the_same():
    assert _problems("de", "Host", "Host", ["Host"]) == []


@pytest.mark.parametrize(
    ("source", "needed"),
    [("``vm``", False), ("Proxmox VE", False), ("qcow2 → vdi", False), ("2", False), ("–", False), ("yes", True)],
)
def test_names_and_code_need_no_translation(source, needed):
    assert checks.needs_translation(source, NAMES) is needed


def test_incomplete_and_outdated_entries_are_problems_of_a_complete_language():
    listed = [Entry("p", 1, "one text"), Entry("p", 2, "two texts", "zwei", is_outdated=True), Entry("p", 3, "``a``")]
    listed.append(Entry("p", 4, "Host ``a``"))
    rules = checks.Rules("de", (), NAMES, frozenset(["Host `a`"]))
    assert checks.problems(listed, rules, is_complete=True) == ["p #1: missing: one text", "p #2: outdated: two texts"]
    assert checks.problems(listed, rules, is_complete=False) == []
