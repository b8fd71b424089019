# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties that are derived from options are the same everywhere."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    COLLECTIONS,
    Change,
    Field,
    Plan,
    Step,
    Traits,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM, Option, argument_spec
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import difference
from ansible_collections.polyvirt.core.plugins.module_utils._core.units import is_size
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import options as proxmox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import options as vagrant
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox import options as vbox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import options as virsh

ALL = [VM, virsh.VM, vbox.VM, vagrant.VM, proxmox.VM]


def _walk(options, prefix=""):
    for name, option in options.items():
        yield f"{prefix}{name}", option
        yield from _walk(option.options, f"{prefix}{name}.")


@pytest.mark.parametrize("options", ALL)
def test_names_of_sizes_end_in_memory_or_size(options):
    """Messages, results and diffs recognize sizes by the name, to show them in a human-readable form."""
    found = {path for path, option in _walk(options) if option.unit}
    assert found == {path for path, _option in _walk(options) if is_size(path)}


def test_native_values_are_not_sizes():
    assert not is_size("native.memory")


def test_options_that_only_one_vm_can_have():
    unique = {path for options in ALL for path, option in _walk(options) if option.unique}
    assert unique == {
        "id", "disks.source", "networks.mac", "networks.address", "port_forwards.host_port", "cloud_init.ip_config",
        "serial_log",
    }  # fmt: skip


def test_collections_are_derived_from_options():
    assert COLLECTIONS == ("cdroms", "disks", "networks", "port_forwards", "shared_folders", "devices")


def test_records_are_derived_from_fields():
    kinds = ("cpus", "disks.size", "native", "watchdog.model")
    assert Traits("toy", fields=dict.fromkeys(kinds, Field())).records == {"watchdog"}


def test_diff_shows_human_readable_sizes_of_platform_options():
    before, after = Vm("web", config={"max_memory": 4 << 30}), Vm("web", config={"max_memory": 8 << 30})
    step = Step("configure", (Change("max_memory", 4 << 30, 8 << 30),))
    plan = Plan(before, after, ((step,),))
    shown = difference(plan)
    assert (shown["before"], shown["after"]) == ({"max_memory": "4G"}, {"max_memory": "8G"})


def test_argument_spec_has_only_attributes_that_are_set():
    options = {
        "a": Option(),
        "b": Option("bool", default=False, required=True, secret=False, aliases=("c",)),
        "d": Option("list", elements="dict", options={"e": Option(choices=("x", "y"))}, rules={"required_by": {}}),
    }
    assert argument_spec(options) == {
        "a": {"type": "str"},
        "b": {"type": "bool", "default": False, "required": True, "no_log": False, "aliases": ["c"]},
        "d": {
            "type": "list",
            "elements": "dict",
            "required_by": {},
            "options": {"e": {"type": "str", "choices": ["x", "y"]}},
        },
    }
