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
#: {type of an option: (what it takes, as a remedy names it; its pattern)}
_TAKEN = {
    "bool": ("true or false", "true|false|yes|no|on|off|1|0"),
    "int": ("a whole number", r"\d+"),
    **dict.fromkeys(_TEXT, ("one text", r"(?!true$|false$)(?s:.)+")),
}
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


def check_shape(params, options):
    """Raise the error for the first option with a value of the wrong type: Ansible's validator fails on some."""
    problem = misshapen(params, options)
    if problem:
        raise problem


def misshapen(params, options, within=""):
    """Return the error for the first option with a value of the wrong type, or None; ``within`` begins its name.

    Ansible's own error does not name the option, or is one of Python, and it would take the text with which Python
    shows a list: a VM would be named "['web1', 'web2']". The value may be a secret.
    """
    for name, option in options.items():
        value, about = params.get(name), f"{within}{name}"
        found = _wrong_kind(option, value)
        if found:
            return InvalidInput(f"{about}: it is {found}.", f"Set {_taken(name, option)[0]}.")
        texts = value if option.elements in _TEXT and isinstance(value, list) else ()
        wrong = [one for one in texts if isinstance(one, (list, dict))]
        if wrong:
            return InvalidInput(
                f"{about}: an entry of the list is {_kind(wrong[0])}.",
                f'Set a list of texts. A variable that is a list stands alone, such as {name}: "{{{{ my_list }}}}".',
            )
        inner = (misshapen(entry, option.options, f"{about}.") for entry in _entries(value, option))
        problem = next(filter(None, inner), None)
        if problem:
            return problem
    return None


def _wrong_kind(option, value):
    """What a value is, if an option does not take it, or None. Ansible accepts dictionaries as text, too."""
    is_list = option.elements == "dict"
    if value is None or option.short:
        return None
    if is_list or option.type == "dict":
        entries = value if is_list and isinstance(value, list) else [value]
        wrong = next((_kind(one) for one in entries if not _is_dictionary(one)), None)
        return wrong or ("one dictionary" if is_list and isinstance(value, dict) else None)
    is_wrong = isinstance(value, dict) and option.elements in _TEXT
    return _kind(value) if is_wrong or (option.type in _TEXT and isinstance(value, (list, dict))) else None


def _taken(name, option):
    """Return (what a value of an option is, as a remedy names it; the pattern of one, None: it is no plain value)."""
    if option.choices and not option.elements:
        return f"one of {', '.join(map(str, option.choices))}", "|".join(str(one).lower() for one in option.choices)
    if option.unit:
        return "a size such as 4G", r"\d+(?:[.]\d+)? *(?:[kmgtp](?:i?b)?|b)?"
    if option.type in _TAKEN:
        return _TAKEN[option.type]
    if option.elements in (None, "dict"):
        from .other_words import EXAMPLES  # Only errors need it.

        other = f"{{{next((part for part in option.options if part != option.key), 'KEY')}: ...}}"
        example = EXAMPLES.get(name, other)
        text = f"a list of dictionaries, such as [{example}]" if option.elements else f"a dictionary, such as {example}"
        return text, r"(?!true$|false$|\d+$).+" if option.short else None
    return "a list of texts, such as [a, b]", r"(?!true$|false$).+"


def _kind(value):
    kinds = {bool: "a boolean", str: "text", list: "a list", dict: "a dictionary"}
    return next((kind for one, kind in kinds.items() if isinstance(value, one)), "a number")


def _is_dictionary(value):
    if not isinstance(value, str) or value.lstrip().startswith("{"):
        return isinstance(value, (dict, str))
    return all("=" in one for one in value.replace(",", " ").split() or [""])


def misspelt(params, options):
    """Return the error for unknown options if one is known to other tools, or misspelt, or None.

    Ansible's own error lists all options.
    """
    found = dict(unknown_options(params, options))
    return not_options(found, " ".join(filter(None, found.values()))) if any(found.values()) else None


def not_options(names, remedy):
    """Return the error for these unknown options."""
    are_none = "are not options" if len(names) > 1 else "is not an option"
    return InvalidInput(f"{', '.join(names)} {are_none} of this module.", remedy)


def unknown_options(given, options):
    """Yield (unknown option of a task, the remedy or None).

    ``given``: the arguments of a task; ``options``: {name: Option}. Suboptions count, such as ``disks.sise``. Names
    that begin with an underscore are those of Ansible.
    """
    for name, value in given.items():
        if name not in _names(options) and not name.startswith("_"):
            yield name, remedy_for(name, options, value=value)
        of_suboptions = options[name].options if name in options else {}
        for entry in _entries(value, options.get(name)):
            for one in (one for one in entry if one not in _names(of_suboptions)):
                yield f"{name}.{one}", remedy_for(one, of_suboptions, name, entry[one])


def _names(options):
    return [one for option, its in options.items() for one in (option, *its.aliases)]


def remedy_for(name, options, of_option=None, value=None):
    """Return the remedy for an unknown option, or an unknown suboption ``of_option``; None if there is none.

    If the option that a word of another tool is called here does not take the ``value``, the remedy says what it takes.
    """
    meant, is_word = meant_by(name, options, of_option, value)
    shown = f"{of_option}.{meant}" if of_option else meant
    if not is_word:
        return meant and f"Did you mean {shown}?"
    option = options.get(meant)
    takes = f"{shown} instead: {_taken(meant, option)[0]}" if option and not _fits(meant, option, value) else None
    return f"Use {takes or f'{shown} instead'}."


def _fits(name, option, value):
    """Whether an option takes the value of a word of another tool, as far as its type and choices say."""
    unknown = [one for entry in _entries(value, option) for one in entry if one not in option.options]
    if value is None or unknown or misshapen({name: value}, {name: option}):
        return False
    if isinstance(value, (dict, list)):
        return option.type == ("dict" if isinstance(value, dict) else "list")
    pattern = _taken(name, option)[1]
    return bool(pattern and Pattern(pattern).fullmatch(str(value).lower()))


def meant_by(name, options, of_option=None, value=None):
    """Return (what a task may mean by an unknown option, whether it is what a word of another tool is called here)."""
    names = _names(options)
    if name in names:
        return None, False
    from .other_words import instead_of, suboption_instead_of  # Only errors need it.

    word = suboption_instead_of(of_option, name, options) if of_option else instead_of(name, options, value)
    if word and "..." not in word:
        return word, True
    similar = nearest(name, names, _SIMILAR)
    return similar or word, bool(word and not similar)


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
