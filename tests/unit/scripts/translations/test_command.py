# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command for translations: its way from an English page to a checked language, in a copy of docs/locales."""

from __future__ import annotations

import shutil

import pytest

import languages as command
from collection_path import CHECKOUT
from lib.translations import checks, exchange, markup
from lib.translations.catalogues import entries, read
from lib.translations.languages import CATALOGUES, FOLDER, template_path
from unit.scripts.translations import pseudo_language


@pytest.fixture(name="checkout")
def _checkout(tmp_path, monkeypatch):
    """A checkout with English entries only; the texts of pseudo_language pass for German."""
    for name in ("pot", "terms.yml", "names.yml", "complete.yml"):
        source, target = CHECKOUT / FOLDER / name, tmp_path / FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    monkeypatch.setattr(command, "CHECKOUT", tmp_path)
    monkeypatch.setattr(checks, "rules_of", lambda checkout, code: pseudo_language.rules(CHECKOUT))
    return tmp_path


def _pseudo_text(checkout, page):
    """What a translator returns for a page: numbered Markdown."""
    template = read(template_path(checkout, page))
    listed = [pseudo_language.translated(one) for one in entries(template, template, page)]
    return "".join(f"#{one.number}\n{markup.to_markdown(one.text)}\n" for one in listed)


def test_all_pages_are_imported_and_checked(checkout, tmp_path, capsys):
    for page in CATALOGUES:
        file = tmp_path / f"{page}.txt"
        file.write_text(_pseudo_text(checkout, page), encoding="utf-8")
        assert command.main(["import", "de", page, str(file)]) == 0
    assert " 0 problems, 0 left" in capsys.readouterr().out
    assert command.main(["export", "de", "awx"]) == 0
    assert capsys.readouterr().out == ""
    assert command.main(["check", "de"]) == 1
    assert "glossary.yml does not exist" in capsys.readouterr().out.splitlines()[0]
    assert command.main(["sample", "de", "--sources", str(tmp_path / "english.txt")]) == 0
    printed, english = capsys.readouterr().out, (tmp_path / "english.txt").read_text(encoding="utf-8")
    assert printed.count("\n\n") == english.count("\n\n") == 40
    assert pseudo_language.pseudo("the") in printed and " the " in english and " the " not in printed


def test_problem_of_an_import_is_the_exit_code(checkout, tmp_path, capsys):
    (tmp_path / "a.json").write_text('{"1": "7"}', encoding="utf-8")
    assert command.main(["import", "de", "awx", str(tmp_path / "a.json")]) == 1
    assert "awx #1: numbers: added 7" in capsys.readouterr().out
    assert not exchange.page_entries(checkout, "de", "awx")[0].text


def test_complete_languages_are_listed(checkout, capsys):
    (checkout / FOLDER / "complete.yml").write_text("complete: [de, fr, ja]", encoding="utf-8")
    assert command.main(["list"]) == 0
    assert capsys.readouterr().out.splitlines() == ["de fr ja"]


def test_unknown_language_is_an_error(capsys):
    assert command.main(["check", "tlh"]) == 2
    assert "unknown languages: tlh" in capsys.readouterr().err
