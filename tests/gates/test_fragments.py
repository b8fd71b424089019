# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each shared argument spec has a doc fragment of the same stem that says the same."""

from __future__ import annotations

import importlib

import pytest

from collection_path import CHECKOUT
from gates.fragments import differences, documented_options

PLUGINS = CHECKOUT / "plugins"
FRAGMENTS = {path.stem: path for path in (PLUGINS / "doc_fragments").glob("*.py")}


def _specs():
    """SPECS of _lifecycle/options.py; none while there is no such file, and then there may be no fragments either."""
    if not (PLUGINS / "module_utils" / "_lifecycle" / "options.py").exists():
        return {}
    return importlib.import_module("ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.options").SPECS


def test_every_spec_has_a_fragment_and_every_fragment_a_spec():
    assert sorted(FRAGMENTS) == sorted(_specs())


def test_fragments_and_specs_say_the_same():
    specs = _specs()
    found = {
        stem: differences(documented_options(path.read_text(encoding="utf-8")), specs.get(stem, {}))
        for stem, path in FRAGMENTS.items()
    }
    assert {stem: sentences for stem, sentences in found.items() if sentences} == {}


SAMPLE = '''
class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state:
    description: [What it shall be.]
    choices: {present: exists, absent: does not}
    default: present
  disks:
    type: list
    elements: dict
    suboptions:
      size: {description: [How big.], required: true}
"""
'''


def _sample_spec(**changes):
    spec = {
        "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
        "disks": {"type": "list", "elements": "dict", "options": {"size": {"type": "str", "required": True}}},
    }
    return {**spec, **changes}


def test_equal_sides_have_no_differences():
    assert differences(documented_options(SAMPLE), _sample_spec()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cpus": {"type": "int"}}, "cpus: in the spec"),
        ({"state": {"choices": ["present"], "default": "present"}}, "choices"),
        ({"state": {"choices": ["absent", "present"], "default": "absent"}}, "default"),
        ({"disks": {"type": "list", "elements": "dict", "options": {}}}, "disks.size: documented"),
        ({"disks": {"type": "list", "elements": "str", "options": {"size": {"required": True}}}}, "disks: elements"),
    ],
)
def test_a_difference_is_found(changes, said):
    found = differences(documented_options(SAMPLE), _sample_spec(**changes))
    assert len(found) == 1
    assert said in found[0]
