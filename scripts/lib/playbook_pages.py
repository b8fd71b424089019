# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One page of the docsite for each playbook, from its argument specification (PLAYBOOK.meta.yml).

antsibull-docs creates pages of modules and roles from their specifications, but none of playbooks.
"""

from __future__ import annotations

import re
from textwrap import indent

import yaml

from .guides import PREFIX

#: The name of a page begins with this.
BEGINNING = "playbook_"
_MACRO = re.compile(r"\b([A-Z]{1,2})\(([^()]*(?:\([^()]*\))?[^()]*)\)")
_TEXT = ("B", "I")


def playbooks(checkout):
    """Return the names of the playbooks of the collection."""
    return sorted(path.name.removesuffix(".meta.yml") for path in (checkout / "playbooks").glob("*.meta.yml"))


def pages(checkout):
    """Return the names of the pages."""
    return [f"{BEGINNING}{name}" for name in playbooks(checkout)]


def page_lines(checkout, page):
    """Return the lines of a page as reStructuredText."""
    name = page.removeprefix(BEGINNING)
    text = (checkout / "playbooks" / f"{name}.meta.yml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    (spec,) = document["argument_specs"].values()
    title = f"Playbook {name}"
    blocks = [
        f".. _{PREFIX}.{page}:",
        f"{title}\n{'=' * len(title)}",
        f"{document['short_description']}.",
        _markup(document["description"]),
        _code(spec["examples"]),
        "This page in a terminal:",
        _code(f"ansible-playbook polyvirt.core.help -e help_playbook={name}"),
        *_options(spec["options"] or {}),
    ]
    return "\n\n".join(blocks).splitlines()


def _options(options):
    required = [name for name, one in options.items() if one.get("required")]
    if not options:
        return ["It has no options."]
    names = [*required, *(name for name in options if name not in required)]
    return ["Options\n-------", *(_option(name, options[name]) for name in names)]


def _option(name, option):
    """One entry of a definition list; suboptions are a list below it."""
    head = f"``{name}`` ({_facts(option)})"
    choices = option.get("choices")
    texts = [_markup(option["description"])]
    texts += [f"One of {', '.join(_literal(one) for one in choices)}."] if choices else []
    texts += ["\n\n".join(_option(key, one) for key, one in option["options"].items())] if option.get("options") else []
    return "\n".join([head, indent("\n\n".join(texts), "  ")])


def _facts(option):
    kind = option.get("type", "str")
    facts = [f"list of {option['elements']}" if kind == "list" and "elements" in option else kind]
    facts += ["required"] if option.get("required") else []
    default = option.get("default")
    facts += [f"default {_literal(default)}"] if default not in (None, "", [], {}) else []
    return ", ".join(facts)


def _literal(value):
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"``{text}``" if text else "an empty string"


def _code(text):
    return f".. code-block:: shell\n\n{indent(text.rstrip(), '  ')}"


def _markup(description):
    """Return a description with Ansible's macros as reStructuredText."""
    texts = [description] if isinstance(description, str) else description
    return " ".join(_MACRO.sub(_macro, text.replace("\\", "\\\\").replace("*", "\\*")).strip() for text in texts)


def _macro(match):
    kind, value = match.groups()
    if kind in ("M", "P"):
        name, _hash, plugin = value.partition("#")
        return f":ansplugin:`{name} <{name}#{plugin or 'module'}>`"
    return f"*{value}*" if kind in _TEXT else f"``{value}``"
