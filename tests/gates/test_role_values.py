# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles convert booleans and numbers where they use them: with `-e x=false`, or in an INI inventory, they are text.

Argument specs check these values, but they do not convert them, and the text "false" is true in an expression.
"""

from __future__ import annotations

import re

import pytest
import yaml

from collection_path import CHECKOUT

#: Keys of a task with an expression that has no braces.
_CONDITIONS = ("when", "that", "until", "changed_when", "failed_when")
_SET_FACT = "ansible.builtin.set_fact"
#: With the blank before its end, because `}}` may be the end of two dictionaries.
_EXPRESSION = re.compile(r"\{[{%]-?\s(.*?)\s-?[%}]\}", re.DOTALL)
_LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"")
#: A value that only a module uses, which converts it. A variable of the role may be used anywhere.
_TO_MODULE = re.compile(r"\s*\w+\s*(\|\s*default\((omit|none)\)\s*)?")
_TO_VARIABLE = re.compile(r"\s*\w+\s*\|\s*default\((omit|none)\)\s*")


def declared():
    """{name of a variable: its type, which is also the name of the filter} of all roles."""
    found = {}
    for path in CHECKOUT.glob("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            options = entry.get("options", {}).items()
            found.update({name: one["type"] for name, one in options if one.get("type") in ("bool", "int")})
    return found


def expressions(value, key="", passed_on=_TO_MODULE):
    """(expression, what is allowed as its form without a filter) for each in a YAML document."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from expressions(one, name, _TO_VARIABLE if name == _SET_FACT else passed_on)
    elif isinstance(value, list):
        for one in value:
            yield from expressions(one, key, passed_on)
    elif isinstance(value, str) and key in _CONDITIONS:
        yield value, None
    elif isinstance(value, str):
        whole = _EXPRESSION.fullmatch(value.strip())
        yield from ((found[1], passed_on if whole else None) for found in _EXPRESSION.finditer(value))


def unconverted(expression, passed_on, types):
    """The names of variables in an expression that it does not convert."""
    text = _LITERAL.sub("''", expression)
    for found in re.finditer(r"(?<![\w.])\w+(?!\s*=[^=])", text):
        wanted = types.get(found[0])
        converts = rf"\s*(\|\s*default\([^()]*\)\s*)?\|\s*{wanted}\b|\s+is (not )?(un)?defined\b"
        if wanted and not re.match(converts, text[found.end() :]) and not (passed_on and passed_on.fullmatch(text)):
            yield found[0]


def problems(path, text, types):
    if path.suffix == ".j2":
        found = [(one[1], None) for one in _EXPRESSION.finditer(text)]
    else:
        found = expressions(yaml.safe_load(text), passed_on=_TO_MODULE if "tasks" in path.parts else _TO_VARIABLE)
    return [name for expression, passed_on in found for name in unconverted(expression, passed_on, types)]


FILES = sorted(
    path
    for place in ("roles/*/tasks", "roles/*/vars", "roles/*/defaults", "roles/*/templates", "roles/agent/profiles",
                  "playbooks")
    for folder in CHECKOUT.glob(place)
    for path in folder.rglob("*")
    if path.suffix in (".yml", ".j2")
)  # fmt: skip


def test_roles_convert_booleans_and_numbers():
    types = declared()
    found = {str(path.relative_to(CHECKOUT)): problems(path, path.read_text("utf-8"), types) for path in FILES}
    assert {name: names for name, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("task", "wrong"),
    [
        ({"when": "x and a"}, ["x"]),
        ({"when": ["not x | bool", "x is defined", "y.x or 'x' in a"]}, []),
        ({"m": {"a": "{{ x }}", "b": "{{ n | default(omit) }}"}}, []),
        ({"m": {"a": "{{ n or omit }}"}}, ["n"]),
        ({"m": {"a": "{{ n | default(3) | int }} x: {{ f(x=1) }}"}}, []),
        ({"m": {"a": "{{ {'a': {'b': 1}} if x else {} }}"}}, ["x"]),
        ({"m": {"a": "is {{ n }}", "b": "{% if x %}{% endif %}"}}, ["n", "x"]),
        ({"ansible.builtin.set_fact": {"a": "{{ x }}"}}, ["x"]),
    ],
)
def test_unconverted_use_is_found(task, wrong):
    path = CHECKOUT / "roles" / "vm" / "tasks" / "main.yml"
    assert problems(path, yaml.safe_dump([task]), {"x": "bool", "n": "int"}) == wrong


def test_variables_of_roles_that_are_documents_are_not_no_log():
    """Ansible would mask each word in them, since ansible-core 2.22 for the rest of the run."""
    for path in CHECKOUT.glob("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            options = entry.get("options", {}).items()
            assert [name for name, one in options if one.get("no_log") and one.get("type") in ("dict", "list")] == []
