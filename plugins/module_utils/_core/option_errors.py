# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors about the form of options that Ansible would explain less well. Pure."""

from __future__ import annotations

from .errors import InvalidInput
from .spelling import nearest

#: There are few options, and many are short: "sise" is similar to size.
_SIMILAR = 0.75


def error_messages(validated, unknown="Unsupported parameters"):
    """The messages of a result of Ansible's ArgumentSpecValidator, each a whole sentence.

    The one about unknown options, which is the last, begins with their names only: Ansible's modules add the rest, and
    others ``unknown``.
    """
    messages = list(validated.error_messages)
    if validated.unsupported_parameters:
        messages[-1] = f"{unknown}: {messages[-1]}"
    return messages


def misshapen(params, options):
    """Return the error for the first option that needs dictionaries and is something else, or None."""
    problems = (_misshapen(name, option, params.get(name)) for name, option in options.items())
    return next(filter(None, problems), None)


def _misshapen(name, option, value):
    """Ansible's own error does not name the option. It accepts dictionaries as text too, in JSON or as key=value. The
    value may be a secret.
    """
    is_list = option.elements == "dict"
    if option.short or not (is_list or option.options):
        return None
    is_text = any(map(_is_plain_text, value if is_list and isinstance(value, list) else [value]))
    if not is_text and not (is_list and isinstance(value, dict)):
        return None
    example = f"{{{next((part for part in option.options if part != option.key), 'name')}: ...}}"
    wanted = f"a list of dictionaries, such as [{example}]" if is_list else f"a dictionary, such as {example}"
    return InvalidInput(f"{name}: it is {'text' if is_text else 'one dictionary'}.", f"Set {wanted}.")


def _is_plain_text(value):
    return isinstance(value, str) and "=" not in value and not value.lstrip().startswith("{")


def misspelt(params, options):
    """Return the error for the first misspelt option of a task, or None. Ansible's own error lists all options."""
    written, meant = misspelt_option(params, options) or (None, None)
    return written and InvalidInput(f"{written} is not an option of this module.", f"Did you mean {meant}?")


def misspelt_option(given, options):
    """Return (option as the task wrote it, option that it meant) of a task, or None if no option is misspelt.

    ``given``: the arguments of a task; ``options``: {name: Option}. Suboptions count, such as ``disks.sise``.
    """
    known = [name for option, one in options.items() for name in (option, *one.aliases)]
    for name, value in given.items():
        if name not in known:
            similar = nearest(name, known, _SIMILAR)
            if similar:
                return name, similar
        for entry in _entries(value, options.get(name)):
            misspelt = misspelt_option(entry, options[name].options)
            if misspelt:
                return tuple(f"{name}.{one}" for one in misspelt)
    return None


def _entries(value, option):
    """The dictionaries of suboptions that a task sets for an option."""
    entries = value if isinstance(value, list) else [value]
    return [one for one in entries if option and option.options and isinstance(one, dict)]
