# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors about the form of options that Ansible would explain less well, and the names that a user may have meant."""

from __future__ import annotations

from ..errors import InvalidInput
from ..pattern import Pattern

#: There are few options, and many are short: "sise" is similar to size.
_SIMILAR = 0.75
#: Types of options that are text for a task.
_TEXT = ("str", "path")
#: Options that only this collection sets, as Ansible lists them.
_HIDDEN = Pattern(r"\b(approval|catalogue|controller_time|each), ")


def error_messages(validated, unknown="Unsupported parameters"):
    """The messages of a result of Ansible's ArgumentSpecValidator, each a whole sentence.

    The one about unknown options, which is the last, begins with their names only: Ansible's modules add the rest, and
    others ``unknown``.
    """
    messages = list(validated.error_messages)
    if validated.unsupported_parameters:
        messages[-1] = _HIDDEN.sub("", f"{unknown}: {messages[-1]}")
    return messages


def check_short_form(name, value, short, options):
    """Raise InvalidInput for a number that stands for the suboption ``short``, if another one is a number."""
    number = next((one for one, its in options.items() if its.type == "int"), None)
    if number and str(value).isdigit():
        raise InvalidInput(f"{name}: {value} is no {short}.", f"Set {name}: {{{number}: {value}}}.")


def misshapen(params, options, within=""):
    """Return the error for the first option with a value of the wrong type, or None; ``within`` begins its name.

    Ansible's own error does not name the option, or is one of Python, and it would take the text with which Python
    shows a list: a VM would be named "['web1', 'web2']". The value may be a secret.
    """
    for name, option in options.items():
        value = params.get(name)
        if value is None:
            continue
        problem = _no_dictionary(name, option, value) or _no_text(name, option, value)
        if problem:
            return InvalidInput(f"{within}{problem.message}", problem.remedy)
        for entry in _entries(value, option):
            problem = misshapen(entry, option.options, f"{within}{name}.")
            if problem:
                return problem
    return None


def _no_dictionary(name, option, value):
    """Ansible accepts dictionaries as text too, in JSON or as key=value."""
    is_list = option.elements == "dict"
    if option.short or not (is_list or option.type == "dict"):
        return None
    wrong = [one for one in (value if is_list and isinstance(value, list) else [value]) if not _is_dictionary(one)]
    if not wrong and not (is_list and isinstance(value, dict)):
        return None
    found = kind_of(wrong[0]) if wrong else "one dictionary"
    return InvalidInput(f"{name}: it is {found}.", f"Set {wanted(name, option)}.")


def _no_text(name, option, value):
    if option.type in _TEXT and isinstance(value, (list, dict)):
        return InvalidInput(f"{name}: it is {kind_of(value)}.", f"Set {wanted(name, option)}.")
    if option.elements in _TEXT and isinstance(value, dict):
        return InvalidInput(f"{name}: it is a dictionary.", "Set a list of texts, such as [a, b].")
    texts = value if option.elements in _TEXT and isinstance(value, list) else ()
    wrong = [one for one in texts if isinstance(one, (list, dict))]
    return wrong and InvalidInput(
        f"{name}: an entry of the list is {kind_of(wrong[0])}.",
        f'Set a list of texts. A variable that is a list stands alone, such as {name}: "{{{{ my_list }}}}".',
    )


def wanted(name, option):
    """What a value of an option is, as a remedy names it: "a whole number"."""
    if option.choices:
        return f"one of {', '.join(map(str, option.choices))}"
    if option.type == "bool" or option.type == "int":
        return "true or false" if option.type == "bool" else "a whole number"
    if option.unit:
        return "a size such as 4G"
    if option.type in _TEXT:
        return "one text"
    if option.elements in (None, "dict"):
        from .other_words import EXAMPLES  # Only errors need it.

        other = f"{{{next((part for part in option.options if part != option.key), 'KEY')}: ...}}"
        example = EXAMPLES.get(name, other)
        return f"a list of dictionaries, such as [{example}]" if option.elements else f"a dictionary, such as {example}"
    return "a list, such as [a, b]"


def kind_of(value):
    kinds = {bool: "a boolean", str: "text", list: "a list", dict: "a dictionary"}
    return next((kind for one, kind in kinds.items() if isinstance(value, one)), "a number")


def _is_dictionary(value):
    if not isinstance(value, str) or value.lstrip().startswith("{"):
        return isinstance(value, (dict, str))
    return all("=" in one for one in value.replace(",", " ").split() or [""])


def misspelt(params, options):
    """Return the error for the first unknown option that is known to other tools, or misspelt, or None.

    Ansible's own error lists all options.
    """
    written, remedy = unknown_option(params, options) or (None, None)
    return written and InvalidInput(f"{written} is not an option of this module.", remedy)


def unknown_option(given, options):
    """Return (unknown option of a task, the remedy), or None if nothing is known about any of them.

    ``given``: the arguments of a task; ``options``: {name: Option}. Suboptions count, such as ``disks.sise``.
    """
    for name, value in given.items():
        remedy = remedy_for(name, options)
        if remedy:
            return name, remedy
        of_suboptions = options[name].options if name in options else {}
        for entry in _entries(value, options.get(name)):
            found = ((f"{name}.{one}", remedy_for(one, of_suboptions, name)) for one in entry)
            known = next((one for one in found if one[1]), None)
            if known:
                return known
    return None


def remedy_for(name, options, of_option=None):
    """Return the remedy for an unknown option, or an unknown suboption ``of_option``; None if there is none."""
    meant, is_word = meant_by(name, options, of_option)
    shown = f"{of_option}.{meant}" if of_option else meant
    return meant and (f"Use {shown} instead." if is_word else f"Did you mean {shown}?")


def meant_by(name, options, of_option=None):
    """Return (what a task may mean by an unknown option, whether it is what a word of another tool is called here)."""
    names = [one for option, its in options.items() for one in (option, *its.aliases)]
    if name in names:
        return None, False
    from .other_words import instead_of, suboption_instead_of  # Only errors need it.

    word = suboption_instead_of(of_option, name, options) if of_option else instead_of(name, options)
    return (word, True) if word else (nearest(name, names, _SIMILAR), False)


def _entries(value, option):
    """The dictionaries of suboptions that a task sets for an option."""
    entries = value if isinstance(value, list) else [value]
    return [one for one in entries if option and option.options and isinstance(one, dict)]


#: Accepts swapped, missing and added letters and missing endings: "memroy" for memory, but not "web2" for web1.
SIMILAR = 0.8


def nearest(name, known, cutoff=SIMILAR):
    """Return the other known name that is most similar to ``name``, whatever their case, or None."""
    from difflib import get_close_matches  # Only errors need it.

    lower = {str(one).lower(): one for one in known if one != name}
    similar = get_close_matches(str(name).lower(), lower, n=1, cutoff=cutoff)
    return lower[similar[0]] if similar else None


def did_you_mean(name, known):
    """Return the remedy for a name that does not exist: "Did you mean web1? ", or an empty text."""
    similar = nearest(name, known)
    return "" if similar is None else f"Did you mean {similar}? "
