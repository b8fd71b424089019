# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EXAMPLES of modules: each is a task that the module accepts, and the first VM is created from a name."""

from __future__ import annotations

import importlib
import re

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.registry import PLATFORMS

from unit.modules.test_other_words import KEY, MODULES, error_of

_TEMPLATE = re.compile(r"\{\{.*?\}\}")


def examples(name):
    """Return [(module of this collection, its arguments)] of the tasks in EXAMPLES."""
    module = importlib.import_module(f"ansible_collections.polyvirt.core.plugins.modules.{name}")
    text = re.sub(r"\{\{ *query\(.*?\}\}", "node01,node02", module.EXAMPLES)
    found = [task for play in yaml.safe_load(_TEMPLATE.sub(KEY, text)) for task in play.get("tasks", [play])]
    return [
        (action.removeprefix("polyvirt.core."), arguments or {})
        for task in found
        for action, arguments in task.items()
        if action.startswith("polyvirt.core.")
    ]


@pytest.mark.parametrize("name", MODULES)
def test_module_accepts_its_examples(name, record_property):
    found = [(module, given) for module, given in examples(name) if module in MODULES and "state" in str(given)]
    for module, given in found:
        assert error_of(module, given) == "", (module, given)
    record_property("summary", f"examples of {name}: {len(found)}")


@pytest.mark.parametrize("name", ["vm", *(platform.vm for platform in PLATFORMS.values())])
def test_first_example_creates_a_vm_from_a_name_of_the_catalogue(name):
    module, given = examples(name)[0]
    assert (module, given["image"]) == (name, "debian-13")
