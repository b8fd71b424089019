# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of each module, fragments included, says what its argument spec says."""

from __future__ import annotations

import importlib

import pytest

from collection_path import CHECKOUT
from gates.fragments import differences, documented_options, page_options

PLUGINS = CHECKOUT / "plugins"
FRAGMENTS = {path.stem: path.read_text(encoding="utf-8") for path in (PLUGINS / "doc_fragments").glob("*.py")}
MODULES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((PLUGINS / "modules").glob("*.py"))}


@pytest.mark.parametrize("name", MODULES)
def test_page_and_spec_say_the_same(name):
    module = importlib.import_module(f"ansible_collections.polyvirt.core.plugins.modules.{name}")
    assert differences(page_options(MODULES[name], FRAGMENTS), module.MODULE.argument_spec) == []


def test_every_fragment_is_used():
    used = {name for name in FRAGMENTS if any(f"  - polyvirt.core.{name}\n" in source for source in MODULES.values())}
    assert sorted(used) == sorted(FRAGMENTS)


def test_what_a_page_says_itself_goes_before_its_fragments():
    page = '''DOCUMENTATION = """
extends_documentation_fragment: [ansible.builtin.action_common_attributes, polyvirt.core.sample]
options:
  state: {description: [Another.]}
"""'''
    options = page_options(page, {"sample": SAMPLE})
    assert (options["state"]["description"], options["state"]["default"]) == (["Another."], "present")
    assert sorted(options) == ["disks", "state"]


SAMPLE = '''
class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state:
    description: [The requested state.]
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
