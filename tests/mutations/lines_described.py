# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of VMs described as tasks: what a task holds, what it names, and how it is written."""

from __future__ import annotations

from mutations.mutation import Mutation

_TASKS = ("tests/unit/module_utils/_core/results/test_task_of.py",)
_YAML = ("tests/unit/filter/test_to_task.py",)
_FOREIGN = ("tests/suite/test_described_foreign.py",)
_NAMED = ("tests/unit/module_utils/_drivers/virsh/settings/test_described.py::test_what_is_added_is_named",)
_EDITED = ("tests/suite/test_described_edits.py::test_change_on_hyperv",)
_VIRSH, _HYPERV = "_drivers/virsh/settings/described.py", "_drivers/hyperv/settings/networks.py"
_NICS = ("tests/platforms/hyperv/test_nics.py",)
_PVE, _OF_PVE = "_drivers/proxmox/settings/networks.py", "tests/unit/module_utils/_drivers/proxmox"
_PVE_TRUNK = (f"{_OF_PVE}/test_own_options.py::test_trunk_of_a_nic",)
_PVE_PRIVILEGE = (f"{_OF_PVE}/test_refusals.py::test_trunk_needs_the_privilege_on_each_of_its_vlans",)
_SWITCHES, _HOST = "_hosts/windows/hyperv_switches.py", "_tools/hyperv_host.py"
_KEPT = ("tests/platforms/hyperv/test_host_settings.py::test_vms_of_a_private_switch_keep_each_other",)
_CUT = ("tests/platforms/hyperv/test_host_settings.py::test_running_vms_of_an_unshared_switch_are_named",)
_ROOM, _WRITTEN = "_core/results/task_of.py", "plugins/plugin_utils/tasks/task_yaml.py"

MUTATIONS = (
    Mutation("described-secret-is-shown", _ROOM, "option.secret or _is_secret(path[-1], value)", "False", _TASKS),
    Mutation("busy-vm-is-not-described", _ROOM, "vm.having(busy=None)", "vm", _TASKS),
    Mutation("described-task-may-change-the-vm", _ROOM, "planned.changed", "False", _TASKS),
    Mutation("what-is-not-compared-is-described", _ROOM, "path not in request.creation", "False", _TASKS),
    Mutation("described-list-is-never-complete", _ROOM, 'purge.choices if purge else ()', "()", _TASKS),
    Mutation("reserved-mac-is-omitted", _ROOM, 'not entry.get("address")', "True", _TASKS),
    Mutation("file-of-another-vm-is-omitted", _ROOM, 'entry.get("source") in own_disks(self.vm)', "True", _TASKS),
    Mutation("image-is-described-beside-its-disk", _ROOM, "any(part.path == first for part in parts)", "False", _TASKS),
    Mutation("one-name-of-two-vms-is-described", "_engine/inspect.py", "known[vm.name] > 1", "False", _FOREIGN),
    Mutation(
        "native-of-libvirt-is-not-described", "_drivers/virsh/settings/native.py::described_native",
        "if found[_] == mode and _:\n    ...", "if True:\n    ...", _FOREIGN,
    ),
    Mutation("template-in-a-text-is-resolved", _WRITTEN, "_TEMPLATE.search(value)", "None", _YAML),
    Mutation("expiry-is-not-described", _ROOM, 'params["controller_time"] = 0', "pass", _TASKS),
    Mutation("what-no-setting-contains-counts-as-read", "_kit/unread.py", "read() != before", "True", _NAMED),
    Mutation(
        "second-device-counts-as-described", _VIRSH, "self._first.setdefault(_key_of(device), device) is device",
        "True", _NAMED,
    ),
    Mutation("private-vlan-is-not-named", _HYPERV, '"vlan" in _vlans_of(nic)', "True", _EDITED),
    Mutation("trunk-is-no-setting", _HYPERV, 'mode == "Trunk"', "False", _EDITED),
    Mutation("trunk-ends-with-another-vlan", _HYPERV, "{**_vlans_of(nic), **requested}", "requested", _NICS),
    Mutation("effect-on-mac-spoofing-is-not-shown", _HYPERV, '{"mac_spoofing": True, **entry}', "entry", _NICS),
    Mutation("trunk-on-a-plain-bridge", _PVE, 'nic.get("trunks") and is_plain', "False", _PVE_TRUNK),
    Mutation("trunk-needs-no-privilege", _PVE, "for text in trunk:\n    ...", "pass", _PVE_PRIVILEGE),
    Mutation("vms-of-a-switch-are-cut", _SWITCHES, "self.takes_vms_off() and not self._may_interrupt", "False", _CUT),
    Mutation("private-switch-asks-for-nothing", _SWITCHES, 'self._found["SwitchType"] != "Private"', "True", _KEPT),
    Mutation("paused-vms-are-cut", _HOST, '("Off", "Saved", "FastSaved")', '("Off", "Saved", "Paused")', _CUT),
    Mutation("word-of-yaml-is-not-quoted", _WRITTEN, "value.lower() not in _WORDS", "True", _YAML),
)  # fmt: skip
