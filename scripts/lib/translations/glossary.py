# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of the documentation, and how each language translates them."""

from __future__ import annotations

import re
from typing import NamedTuple

from .characters import folded
from .languages import FOLDER, read_yaml

NUMBER_OF_TERMS = 60


class Term(NamedTuple):
    """A term of the English texts, the pattern that finds it, and what a translation of it contains: one of ``use``."""

    name: str
    pattern: re.Pattern
    use: tuple = ()
    not_in: tuple = ()


def terms(checkout):
    """Return all terms; those of several words first, because they may contain others."""
    listed = read_yaml(checkout / FOLDER / "terms.yml")["terms"]
    found = [Term(name, _pattern([name, *(given or {}).get("forms", [])])) for name, given in listed.items()]
    return sorted(found, key=lambda term: -len(term.name))


def _pattern(forms):
    words = "|".join(re.escape(one) for one in sorted(forms, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{words})(?:e?s)?(?!\w)", re.IGNORECASE)


def glossary(checkout, code):
    """Return all terms with their translations. ``use`` is empty for a term without one."""
    path = checkout / FOLDER / code / "glossary.yml"
    given = read_yaml(path) or {} if path.exists() else {}
    return [_with_translations(term, given.get(term.name) or {}) for term in terms(checkout)]


def _with_translations(term, given):
    use = tuple(folded(str(one)) for one in given.get("use") or ())
    return term._replace(use=use, not_in=tuple(given.get("not_in") or ()))


def problems(checkout, code):
    """Return what is missing in the glossary and the style sheet of a language."""
    path = checkout / FOLDER / code / "glossary.yml"
    if not path.exists():
        return [f"{FOLDER}/{code}/glossary.yml does not exist"]
    given, names = read_yaml(path) or {}, [term.name for term in terms(checkout)]
    found = [f"glossary.yml: {name}: no translation (use)" for name in names if not (given.get(name) or {}).get("use")]
    found += [f"glossary.yml: {name}: no source" for name in names if not (given.get(name) or {}).get("source")]
    found += [f"glossary.yml: {name} is not in {FOLDER}/terms.yml" for name in given if name not in names]
    style = checkout / FOLDER / code / "STYLE.md"
    return [*found, *([] if style.exists() else [f"{FOLDER}/{code}/STYLE.md does not exist"])]


def found_terms(text, glossed):
    """Return the terms in an English text. Of "check mode", only this term is found, not another one within it."""
    found = []
    for term in glossed:
        for phrase in term.not_in:
            text = re.sub(re.escape(phrase), " ", text, flags=re.IGNORECASE)
        if term.pattern.search(text):
            found.append(term)
            text = term.pattern.sub(" ", text)
    return found
