# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment variables of plugins: an empty one is not set, because AWX injects empty fields of a credential so."""

from __future__ import annotations

import ast
import re

import pytest
import yaml

from collection_path import CHECKOUT

PLUGINS = CHECKOUT / "plugins"
#: PATH is the system's, and no credential sets it.
_OF_THE_SYSTEM = {"PATH"}
#: Texts that name both the variable of Ansible and that of the environment.
_TEXTS = sorted(
    path
    for pattern in ("README.md", "docs/*.md", "plugins/doc_fragments/*.py", "plugins/modules/*.py", "roles/*/README.md")
    for path in CHECKOUT.glob(pattern)
    if path.stem != "history" and "POLYVIRT_PLATFORM" in path.read_text(encoding="utf-8")
)


def _unguarded(source):
    """The reads of the environment in a program after which no ``or`` replaces an empty value."""
    tree = ast.parse(source)
    guarded = {id(value) for node in ast.walk(tree) if isinstance(node, ast.BoolOp) for value in node.values[:-1]}
    return [ast.unparse(node) for node in _reads(tree) if id(node) not in guarded and _name(node) not in _OF_THE_SYSTEM]


def _reads(tree):
    for node in ast.walk(tree):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        indexed = ast.unparse(node.value) if isinstance(node, ast.Subscript) else ""
        if called in ("os.environ.get", "os.getenv") or indexed == "os.environ":
            yield node


def _name(node):
    argument = node.args[0] if isinstance(node, ast.Call) else node.slice
    return getattr(argument, "value", None)


def _options_from_the_environment(source):
    """The options of a plugin's page that Ansible reads from the environment; it takes an empty variable as a value."""
    pages = re.findall(r'DOCUMENTATION = r"""\n(.*?)"""', source, re.DOTALL)
    options = [option for page in pages for option in (yaml.safe_load(page).get("options") or {}).items()]
    return [name for name, described in options if "env" in described]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = os.environ.get('A')", ["os.environ.get('A')"]),
        ("x = os.environ['A']", ["os.environ['A']"]),
        ("x = y or os.environ.get('A')", ["os.environ.get('A')"]),
        ("x = os.environ.get('A') or None", []),
        ("x = os.environ.get('PATH', '')", []),
    ],
)
def test_read_without_an_alternative_is_detected(source, found):
    assert _unguarded(source) == found


def test_empty_environment_variables_are_not_set():
    sources = {path.relative_to(CHECKOUT).as_posix(): path.read_text("utf-8") for path in PLUGINS.rglob("*.py")}
    assert {name: found for name, source in sources.items() if (found := _unguarded(source))} == {}
    options = {name: found for name, source in sources.items() if (found := _options_from_the_environment(source))}
    # The first two are set by the action guarded_run; an empty path means none. The others treat empty texts as not
    # set: tests/unit/callback shows it.
    assert options == {
        "plugins/callback/guarded_outcome.py": ["path", "hosts"],
        "plugins/callback/events.py": ["path", "syslog"],
        "plugins/callback/report.py": ["folder", "formats", "title"],
    }


def test_option_that_ansible_reads_from_the_environment_is_detected():
    page = 'DOCUMENTATION = r"""\noptions:\n  port:\n    type: int\n    env: [{name: PORT}]\n"""'
    assert _options_from_the_environment(page) == ["port"]


@pytest.mark.parametrize("path", _TEXTS, ids=lambda path: path.stem)
def test_every_text_has_the_order_of_defaults_of_the_code(path):
    """The variable of a host, then the environment: tests/suite/test_front_door.py shows it with Ansible."""
    text = path.read_text(encoding="utf-8")
    for place in [found.start() for found in re.finditer("POLYVIRT_PLATFORM", text)]:
        assert "vm_platform" in text[max(0, place - 300) : place], text[place - 300 : place + 20]
