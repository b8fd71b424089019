# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the VirtualBox driver."""

from __future__ import annotations

from mutations.mutation import Mutation

_CODE = "plugins/module_utils/_drivers/vbox"
_UNIT = "tests/unit/module_utils/_drivers/vbox"

MUTATIONS = (
    Mutation(
        "image-is-attached-by-another-path",
        f"{_CODE}/settings/media.py",
        'by_slot[slot] = {**plain, "source": found} if found else plain',
        "by_slot[slot] = plain",
        {"unit": [f"{_UNIT}/test_several_vms.py"]},
    ),
    Mutation(
        "tpm-of-the-snapshot-is-not-restored",
        f"{_CODE}/snapshots.py",
        '_NOT_RESTORED = ("description", "groups", *IN_MARK, "os_type")',
        '_NOT_RESTORED = ("description", "groups", *IN_MARK, "os_type", "tpm")',
        {"unit": [f"{_UNIT}/test_snapshots.py"]},
    ),
    Mutation(
        "iscsi-disk-is-a-missing-file",
        f"{_CODE}/settings/disk_checks.py",
        "return [one.location for one in found if one.format != _NO_FILE]",
        "return [one.location for one in found]",
        {"unit": [f"{_UNIT}/test_messages.py"]},
    ),
    Mutation(
        "unregistered-vm-is-taken-for-unfinished",
        f"{_CODE}/create.py",
        "return None if file is not None and may_be_unfinished(file.uuid, parsed(file.extra_data.get(KEY))) else path",
        "return None if file is not None and is_created_here(file.uuid) else path",
        {"unit": [f"{_UNIT}/test_messages.py"]},
    ),
    Mutation(
        "disk-is-added-live-at-any-controller",
        f"{_CODE}/settings/media.py",
        'return while_on(vm, change) if bus == "sata" else POWER_OFF',
        "return while_on(vm, change) if bus else POWER_OFF",
        {"unit": [f"{_UNIT}/test_configure.py"]},
    ),
    Mutation(
        "missing-kernel-module-is-not-reported",
        f"{_CODE}/observe.py",
        "if self._version is None or not self.tool.warning:",
        "if True:",
        {"unit": [f"{_UNIT}/test_power.py"]},
    ),
    Mutation(
        "image-on-top-of-an-immutable-disk-remains",
        f"{_CODE}/delete.py",
        'ours = vm.owned and (base.uuid in mark["disks"] or (base.is_never_written and base is not medium))',
        'ours = vm.owned and base.uuid in mark["disks"]',
        {"unit": [f"{_UNIT}/test_delete.py"]},
    ),
    Mutation(
        "kept-image-of-another-size-is-attached",
        f"{_CODE}/settings/disks.py",
        'if found.capacity * MIB != entry["size"]:',
        "if False:",
        {"unit": [f"{_UNIT}/test_snapshots.py"]},
    ),
    Mutation(
        "snapshot-of-a-shared-disk",
        f"{_CODE}/snapshots.py",
        "if shared is not None:",
        "if False:",
        {"unit": [f"{_UNIT}/test_snapshots.py"]},
    ),
    Mutation(
        "description-of-a-snapshot-is-a-snapshot",
        "plugins/module_utils/_tools/vboxmanage_long.py",
        "head = _SNAPSHOT.search(text, head.end() + max(map(len, own), default=0))",
        "head = _SNAPSHOT.search(text, head.end())",
        {"unit": [f"{_UNIT}/test_snapshots.py"]},
    ),
    Mutation(
        "copies-of-settings-are-left",
        f"{_CODE}/delete.py",
        "_remove_settings_backups(vbox_vm.folder, base_name(vbox_vm))",
        "pass",
        {"unit": ("tests/unit/module_utils/_drivers/vbox",)},
    ),
    Mutation(
        "detached-overlay-is-no-user",
        f"{_CODE}/delete.py",
        "dependents |= {names.get(user, _UNKNOWN) for user in child.users} or {child.location}",
        "dependents |= {names.get(user, _UNKNOWN) for user in child.users}",
        {"unit": ("tests/unit/module_utils/_drivers/vbox",)},
    ),
    Mutation(
        "own-detached-overlay-blocks-removal",
        f"{_CODE}/delete.py",
        "if vbox_vm.uuid not in child.users and child not in own_detached:",
        "if vbox_vm.uuid not in child.users:",
        {"unit": ("tests/unit/module_utils/_drivers/vbox",)},
    ),
    Mutation(
        "snapshot-of-detached-disk-is-dropped",
        f"{_CODE}/snapshots.py",
        "if any(one.parent == medium.parent and one is not medium for one in listing.media.values()):",
        "if not detached:",
        {"unit": ("tests/unit/module_utils/_drivers/vbox",)},
    ),
    Mutation(
        "disk-to-keep-goes-with-its-vm",
        f"{_CODE}/delete.py",
        "if attached is None or attached.location not in to_delete:",
        "if attached is None:",
        {"unit": ("tests/unit/module_utils/_drivers/vbox",)},
    ),
    Mutation(
        "ssh-port-is-always-free",
        f"{_CODE}/settings/port_forwards.py",
        "return net.is_free(rule.host_address, rule.host_port, rule.protocol)",
        "return True",
        {"unit": ("tests/unit/module_utils/_drivers/vbox",)},
    ),
    Mutation(
        "chosen-port-is-in-use",
        f"{_CODE}/settings/port_forwards.py",
        "if port not in taken and net.is_free(rule.host_address, port, rule.protocol):",
        "if port not in taken:",
        {"unit": [f"{_UNIT}/settings/test_host_ports.py"]},
    ),
    Mutation(
        "two-vms-get-one-port",
        f"{_CODE}/settings/port_forwards.py",
        "taken = taken | {port for key, port in self._chosen.items() if key != own}",
        "taken = taken | {port for key, port in self._chosen.items() if key == own}",
        {"unit": [f"{_UNIT}/settings/test_host_ports.py"]},
    ),
    Mutation(
        "running-vm-is-waited-for-as-locked",
        f"{_CODE}/driver.py",
        "if is_locked(error.stderr) and not (is_held(error.stderr) and self._is_on(uuid)):",
        "if is_locked(error.stderr):",
        {"unit": ("tests/unit/module_utils/_drivers/vbox",)},
    ),
    Mutation(
        "disk-grows-in-bytes",
        f"{_CODE}/settings/disks.py",
        'driver.run(vbox_vm.uuid, "modifymedium", "disk", found.values["ImageUUID"], "--resize", str(size // MIB))',
        'driver.run(vbox_vm.uuid, "modifymedium", "disk", found.values["ImageUUID"], "--resize", str(size))',
        {"unit": [f"{_UNIT}/test_configure_recorded.py"]},
    ),
    Mutation(
        "image-of-running-vm-is-copied",
        f"{_CODE}/claims.py",
        'mode = _MODES.get(first.kind.partition(" ")[0], WRITE)',
        "mode = READ",
        {"unit": [f"{_UNIT}/test_checks.py"]},
    ),
    Mutation(
        "released-port-of-another-driver",
        f"{_CODE}/settings/port_forwards.py",
        "free = any((one.kind, one.identity) in released for one in driver.claims.forward(rule, name))",
        "free = False",
        {"unit": [f"{_UNIT}/test_several_vms.py"]},
    ),
)
