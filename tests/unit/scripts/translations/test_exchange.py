# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catalogues: a change of the English marks translations as outdated; exchange with translators as numbered text."""

from __future__ import annotations

import re

import pytest

from lib.translations import checks, exchange
from lib.translations.catalogues import Entry, as_text, entries, merge, new_template, read, write
from lib.translations.glossary import problems as glossary_problems
from lib.translations.languages import FOLDER, catalogue_path, template_path

SENTENCE = "Options that you omit are not changed on later runs."


@pytest.fixture(name="files")
def _files(tmp_path):
    """A checkout with two pages."""
    for page, texts in {"awx": [SENTENCE, "yes", "``vm``", "no"], "vmm": ["yes", "a host"]}.items():
        write(template_path(tmp_path, page), new_template(texts))
    return tmp_path


def _rules():
    return checks.Rules("de", (), re.compile("(?!)"))


def _catalogue(texts):
    catalogue = new_template(())
    for source, text in texts.items():
        catalogue.add(source, text)
    return catalogue


def test_changed_english_makes_its_translation_outdated():
    old = _catalogue({SENTENCE: "Optionen …", "yes": "ja", "gone": "weg"})
    changed = SENTENCE.replace("not", "never")
    merged = merge(old, new_template([changed, "yes", "new"]), "de")
    assert entries(merged, new_template([changed, "yes", "new"]), "p") == [
        Entry("p", 1, changed, "Optionen …", is_outdated=True),
        Entry("p", 2, "yes", "ja"),
        Entry("p", 3, "new"),
    ]
    assert SENTENCE in as_text(merged)


def test_unchanged_catalogue_is_written_unchanged(tmp_path):
    catalogue = merge(_catalogue({SENTENCE: "Größe: 5 %", "a": ""}), new_template([SENTENCE, "a"]), "de")
    write(tmp_path / "a.po", catalogue)
    again = read(tmp_path / "a.po", "de")
    assert as_text(merge(again, new_template([SENTENCE, "a"]), "de")) == (tmp_path / "a.po").read_text(encoding="utf-8")


def test_import_writes_what_has_no_problem_and_reports_the_rest(files):
    texts = exchange.parse("#1\nOptionen, die fehlen,\nbleiben auf später unverändert.\n#2\nja\n#4\nkein 7\n#9\nx\n")
    done = exchange.import_page(files, "de", "awx", texts, _rules())
    assert done.written == [1, 2]
    assert done.others == {"vmm": 1}
    assert done.problems == ["awx #4: numbers: added 7", "awx #9: there is no such entry"]
    found = exchange.page_entries(files, "de", "awx")
    assert [one.text for one in found] == ["Optionen, die fehlen, bleiben auf später unverändert.", "ja", "", ""]
    assert [one.text for one in exchange.page_entries(files, "de", "vmm")] == ["ja", ""]
    assert exchange.export(exchange.to_do(found, _rules())) == "#4\nno\n"


def test_quotes_become_those_of_a_keyboard(files):
    exchange.import_page(files, "de", "awx", {2: "\u201ej\u2019a\u201c"}, _rules())
    assert exchange.page_entries(files, "de", "awx")[1].text == '"j\'a"'


def test_second_import_keeps_other_translations(files):
    for text in ("#2\nja\n", '{"4": "nein"}'):
        exchange.import_page(files, "de", "awx", exchange.parse(text), _rules())
    assert [one.text for one in exchange.page_entries(files, "de", "awx")] == ["", "ja", "", "nein"]
    assert catalogue_path(files, "de", "awx").read_text(encoding="utf-8").count("msgid") == 5


def test_outdated_translation_is_exported_as_a_remark():
    text = exchange.export([Entry("p", 3, "new ``vm``", "alt", is_outdated=True)])
    assert text == "#3\n#~ outdated: alt\nnew `vm`\n"
    assert exchange.parse(text) == {3: "new `vm`"}


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("#1\na\nb\n\n#2\nc", {1: "a b", 2: "c"}),
        ("#1\n任務\n失敗 a\nb", {1: "任務失敗 a b"}),
        ("#1\n# 2 is no number\n", {1: "# 2 is no number"}),
        ('{"1": "a"}', {1: "a"}),
    ],
)
def test_numbered_text(text, texts):
    assert exchange.parse(text) == texts


@pytest.mark.parametrize(("text", "error"), [("a\n#1\nb", "without a number"), ("#1\na\n#1\nb", "#1 is there twice")])
def test_invalid_numbered_text_is_an_error(text, error):
    with pytest.raises(ValueError, match=error):
        exchange.parse(text)


def test_sample_is_the_same_for_each_seed():
    listed = {"p": [Entry("p", number, f"{SENTENCE} {number}", "x") for number in range(200)]}
    first, again, other = (exchange.sample(listed, seed) for seed in ("de", "de", "fr"))
    assert first == again != other
    assert len(first) == 40


def test_problems_of_a_glossary(tmp_path):
    folder = tmp_path / FOLDER
    (folder / "de").mkdir(parents=True)
    (folder / "terms.yml").write_text("terms: {host: {means: a}, guest: {means: b}}", encoding="utf-8")
    (folder / "de/glossary.yml").write_text("{host: {use: [Host]}, gast: {use: [Gast], source: a}}", encoding="utf-8")
    assert glossary_problems(tmp_path, "de") == [
        "glossary.yml: guest: no translation (use)",
        *("glossary.yml: guest: no source", "glossary.yml: host: no source"),
        "glossary.yml: gast is not in docs/locales/terms.yml",
        "docs/locales/de/STYLE.md does not exist",
    ]
