# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs described as tasks (``describe: true``): such a task as an entry of ``machines``, and what a result reports."""

from __future__ import annotations

import re

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import in_full

#: Values in native that are measured.
_MEASURED = ("native.VM.CPUUsage", "native.VM.MemoryAssigned", "native.VM.MemoryDemand", "native.VM.Uptime")
#: Keys of a result that are settings of the VM, and those that are lists of entries with the name of their key.
_SETTINGS = ("state", "cpus", "memory_mib", "description", "tags", "fleet", "autostart", "iso")
#: A NIC in native has its MAC address, which the network of the same place has, too.
_MAC = re.compile(r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}", re.I)
_LISTS = {"disks": "slot", "port_forwards": "name", "shared_folders": "name"}


def entry_of(task):
    """A described task as the options of the platform's own module."""
    shared = {name: value for name, value in task.items() if name not in ("platform", "options")}
    return {**shared, **task.get("options", {})}


def request_of(module, task):
    """The Request of a described task, which Ansible has validated."""
    validated = ArgumentSpecValidator(module.argument_spec).validate(entry_of(task))
    assert validated.error_messages == []
    (request,) = requests(in_full(validated.validated_parameters, module.options, module.platform), module.options)
    return request


def settings_of(vm):
    """{path as in a diff: value} of all settings that a result reports."""
    paths = {}
    for name, value in {**{key: vm[key] for key in _SETTINGS}, **vm["settings"], "native": vm["native"]}.items():
        paths.update(_flat(name.removesuffix("_mib"), value))
    for name in ("disks", "networks"):
        paths.update(_flat(name, vm[name]))
    return {path: _without_mac(path, value) for path, value in paths.items() if value is not None}


def _without_mac(path, value):
    return _MAC.sub("MAC", value) if path.startswith("native.") and isinstance(value, str) else value


def _flat(name, value):
    if name == "networks":
        value = {str(place): entry for place, entry in enumerate(value)}
    elif name in _LISTS:
        key = _LISTS[name]
        value = {one[key]: {part: two for part, two in one.items() if part != key} for one in value}
    if not isinstance(value, dict) or name.count(".") == 2:
        return {name: value}
    return {path: one for key, part in value.items() for path, one in _flat(f"{name}.{key}", part).items()}


def different_paths(before, after):
    """The paths of settings that differ between two results of a VM."""
    old, new = settings_of(before), settings_of(after)
    return {path for path in {*old, *new} if old.get(path) != new.get(path) and path not in _MEASURED}


def changed_paths(before, after):
    """The same without what had no value before, unless the whole entry of a list is new."""
    old = settings_of(before)
    entries = {_entry(path) for path in old}
    return {path for path in different_paths(before, after) if path in old or _entry(path) not in {path, *entries}}


def _entry(path):
    """The entry of a list to which a path belongs, or the path itself."""
    return path.rpartition(".")[0] if path.split(".")[0] in (*_LISTS, "networks") else path


def is_named(path, not_described):
    """Whether ``not_described`` names a setting, or the list to which it was added."""
    named = [one["path"] for one in not_described]
    return f"purge.{path.split('.')[0]}" in named or any(path == one or path.startswith(f"{one}.") for one in named)


def reported_paths(outcome):
    """The paths in the diff of a task."""
    of_restart = {"restarted", "restart_required"}
    return {path for one in outcome.diff for path in {*one["before"], *one["after"]} - of_restart}


def assert_kept(platform, vms):
    """Assert that the tasks of described VMs change nothing."""
    for vm in vms:
        if vm["task"] is not None:
            outcome = platform.run([entry_of(vm["task"])], check=True)
            assert (outcome.failed, outcome.msg, outcome.diff) == (False, "", []), vm["task"]
