# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that only a creation uses, set for an existing VM: no one is ignored without a word, on any platform."""

from __future__ import annotations

from importlib import import_module

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import CREATION as OF_CREATION

from suite.answer import Task
from suite.by_ansible import module_of
from suite.scenarios.options import CREATION

NAME, SOURCE = "pvc-without", "pvc-source"


def _values(platform):
    """{option: value} of all options of the platform's module that only a creation uses."""
    name = module_of(platform, "vm").rpartition(".")[2]
    module = import_module(f"ansible_collections.polyvirt.core.plugins.modules.{name}").MODULE
    known = {**CREATION, "clone": {"source": SOURCE}, "instance_of": SOURCE}
    return {name: known[name] for name, option in module.options.items() if option.role == OF_CREATION}


@pytest.mark.parametrize("by", ["ours", "foreign"])
def test_option_of_a_creation_for_an_existing_vm_has_an_effect_or_a_warning(platform, carry, by):
    platform.clean()
    platform.bring({SOURCE: STOPPED, **({NAME: STOPPED} if by == "foreign" else {})})
    if by == "ours":
        made = carry(platform, [Task("made", {**platform.creation, "name": [NAME]})], [NAME])["made"]
        assert not made.failed, made.msg
    for option, value in _values(platform).items():
        tasks = [Task(run, {"name": [NAME], option: value}, run == "check") for run in ("check", "run")]
        for answer in carry(platform, tasks, [NAME]).values():
            warnings = [text for text in map(str, answer.result.get("warnings") or ()) if option in text]
            assert answer.failed or answer.changed or warnings, (option, answer.result)


@pytest.mark.parametrize("option", ["image", "clone", "cloud_init", "instance_of"])
def test_vm_that_was_created_from_it_has_no_warning(platform, carry, option):
    """The second run of the same task. Images by name and appliances: test_images.py, test_appliances.py."""
    value = platform.creation.get(option) or _values(platform).get(option)
    if value is None or (option == "image" and not (option in platform.creation or hasattr(platform, "base_image"))):
        return
    platform.clean()
    platform.bring({SOURCE: STOPPED})
    kept = {
        key: value for key, value in platform.creation.items() if option not in ("image", "clone") or key != "disks"
    }
    if option == "image" and hasattr(platform, "base_image"):
        value = {"source": str(platform.base_image())}
    creation = {**({} if option == "clone" else kept), "name": [NAME], option: value}
    answers = carry(platform, [Task("made", creation), Task("again", creation)], [NAME])
    assert answers["made"].changed, answers["made"].msg
    again = answers["again"]
    assert (again.failed, again.changed, again.result.get("warnings") or []) == (False, False, []), again.result
