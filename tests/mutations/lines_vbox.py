# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the VirtualBox driver."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils/_drivers/vbox"

_FIXED = ["tests/unit/module_utils/_drivers/vbox/settings/test_fixed_addresses.py"]

MUTATIONS = (
    Mutation(
        "image-is-attached-by-another-path",
        "_drivers/vbox",
        '{**plain, "source": found} if found else plain',
        "plain",
        [f"{_UNIT}/test_several_vms.py"],
    ),
    Mutation(
        "guest-additions-of-a-former-boot-run",
        "_drivers/vbox",
        "version is not None and is_of_this_boot(properties, version)",
        "version is not None",
        [f"{_UNIT}/settings/test_networks.py"],
    ),
    Mutation(
        "run-level-is-read-of-every-guest",
        "_drivers/vbox",
        'not (vm.guest_tools and vm.guest_tools["running"])',
        "not vm.guest_tools",
        [f"{_UNIT}/settings/test_networks.py"],
    ),
    Mutation(
        "guest-without-a-version-has-no-guest-additions",
        "_drivers/vbox",
        "True if version else None",
        "bool(version)",
        [f"{_UNIT}/settings/test_networks.py"],
    ),
    Mutation(
        "tpm-of-the-snapshot-is-not-restored",
        "_drivers/vbox",
        '("description", "groups", *IN_MARK, "os_type")',
        '("description", "groups", *IN_MARK, "os_type", "tpm")',
        [f"{_UNIT}/test_snapshots.py"],
    ),
    Mutation(
        "iscsi-disk-is-a-missing-file",
        "_drivers/vbox",
        "[one.location for one in found if one.format != NO_FILE]",
        "[one.location for one in found]",
        [f"{_UNIT}/test_messages.py"],
    ),
    Mutation(
        "files-of-a-broken-off-clone-stop-its-retry",
        "_drivers/vbox/create.py::_leftover",
        "(file.uuid != driver.creations.id_of(name) and not _is_unfinished_file(found[1], file))",
        "not _is_unfinished_file(found[1], file)",
        [f"{_UNIT}/test_clone.py::test_clone_during_which_the_daemon_has_ended_is_repeated"],
    ),
    Mutation(
        "unregistered-vm-is-taken-for-unfinished",
        "_drivers/vbox",
        "is_unfinished(file.uuid, parsed(file.extra_data.get(KEY)), file.has_disks, logs)",
        "True",
        [f"{_UNIT}/test_messages.py"],
    ),
    Mutation(
        "disk-is-added-live-at-any-controller", "_drivers/vbox", 'bus == "sata"', "bus", [f"{_UNIT}/test_configure.py"]
    ),
    Mutation(
        "missing-kernel-module-is-not-reported",
        "_drivers/vbox",
        "self._version is None or not self.tool.warning",
        "True",
        [f"{_UNIT}/test_power.py"],
    ),
    Mutation(
        "image-on-top-of-an-immutable-disk-remains",
        "_drivers/vbox",
        'base.uuid in mark["disks"] or (base.is_never_written and base is not medium)',
        'base.uuid in mark["disks"]',
        [f"{_UNIT}/test_delete.py"],
    ),
    Mutation(
        "kept-image-of-another-size-is-attached",
        "_drivers/vbox",
        'found.capacity * MIB != entry["size"]',
        "False",
        [f"{_UNIT}/test_snapshots.py"],
    ),
    Mutation(
        "snapshot-of-a-shared-disk",
        "_drivers/vbox::_check_shared_disks",
        "shared is not None",
        "False",
        [f"{_UNIT}/test_snapshots.py"],
    ),
    Mutation(
        "description-of-a-snapshot-is-a-snapshot",
        "_tools",
        "head.end() + max(map(len, own), default=0)",
        "head.end()",
        [f"{_UNIT}/test_snapshots.py"],
    ),
    Mutation(
        "copies-of-settings-are-left",
        "_drivers/vbox",
        "_remove_settings_backups(vbox_vm.folder, base_name(vbox_vm))",
        "pass",
        [f"{_UNIT}/test_delete.py"],
    ),
    Mutation(
        "detached-overlay-is-no-user",
        "_drivers/vbox",
        "{names.get(user, _UNKNOWN) for user in child.users} or {child.location}",
        "{names.get(user, _UNKNOWN) for user in child.users}",
        [f"{_UNIT}/test_snapshots.py"],
    ),
    Mutation(
        "own-detached-overlay-blocks-removal",
        "_drivers/vbox",
        "vbox_vm.uuid not in child.users and child not in own_detached",
        "vbox_vm.uuid not in child.users",
        [f"{_UNIT}/test_delete.py"],
    ),
    Mutation(
        "snapshot-of-detached-disk-is-dropped",
        "_drivers/vbox",
        "any(one.parent == medium.parent and one is not medium for one in listing.media.values())",
        "not detached",
        [f"{_UNIT}/test_delete.py"],
    ),
    Mutation(
        "disk-to-keep-goes-with-its-vm",
        "_drivers/vbox",
        "not images or any(one.location not in to_delete for one in images)",
        "not images",
        [f"{_UNIT}/test_configure.py"],
    ),
    Mutation(
        "ssh-port-is-always-free",
        "_drivers/vbox",
        "_is_free(rule.host_address, rule.host_port, rule.protocol)",
        "True",
        [f"{_UNIT}/settings/test_networks.py"],
    ),
    Mutation(
        "chosen-port-is-in-use",
        "_drivers/vbox",
        "port not in taken and _is_free(rule.host_address, port, rule.protocol)",
        "port not in taken",
        [f"{_UNIT}/settings/test_networks.py::test_chosen_port_is_not_used_by_others"],
    ),
    Mutation(
        "two-vms-get-one-port",
        "_drivers/vbox",
        "{port for key, port in self._chosen.items() if key != own}",
        "{port for key, port in self._chosen.items() if key == own}",
        [f"{_UNIT}/settings/test_host_ports.py"],
    ),
    Mutation(
        "running-vm-is-waited-for-as-locked",
        "_drivers/vbox",
        "is_locked(error.stderr) and not (is_held(error.stderr) and self._is_on(uuid))",
        "is_locked(error.stderr)",
        [f"{_UNIT}/test_locks.py"],
    ),
    Mutation(
        "disk-grows-in-bytes",
        "_drivers/vbox",
        'driver.run(uuid, "modifymedium", "disk", disk, "--resizebyte", str(size // MIB * MIB))',
        'driver.run(uuid, "modifymedium", "disk", disk, "--resizebyte", str(size // MIB))',
        [f"{_UNIT}/test_configure.py"],
    ),
    Mutation(
        "image-of-running-vm-is-copied",
        "_drivers/vbox",
        '_MODES.get(first.kind.partition(" ")[0], WRITE)',
        "READ",
        [f"{_UNIT}/test_preflight.py::test_image_is_checked"],
    ),
    Mutation(
        "released-port-of-another-driver",
        "_drivers/vbox",
        "any((one.kind, one.identity) in released for one in driver.claims.forward(rule, name))",
        "False",
        [f"{_UNIT}/test_several_vms.py"],
    ),
    # Fixed addresses of NICs.
    Mutation(
        "reservation-of-a-deleted-vm-remains",
        "_drivers/vbox/delete.py",
        "release_addresses(driver, vbox_vm)",
        "pass",
        [f"{_FIXED[0]}::test_reservation_lives_as_long_as_its_vm"],
    ),
    Mutation(
        "address-that-somebody-else-has-is-reserved",
        "_drivers/vbox/settings/addresses.py",
        "fixed == address and one != own",
        "False",
        [f"{_FIXED[0]}::test_reservation_of_somebody_else_is_rejected_with_the_command_that_removes_it"],
    ),
    Mutation(
        "disabled-dhcp-server-promises-an-address",
        "_drivers/vbox/settings/addresses.py",
        "not server.is_enabled",
        "False",
        [f"{_FIXED[0]}::test_disabled_server_is_rejected_with_the_command_that_enables_it"],
    ),
    Mutation(
        "reservation-is-of-the-next-nic",
        "_tools/vboxmanage_dhcp.py",
        "int(found[2]) + 1",
        "int(found[2])",
        ["tests/unit/module_utils/_tools/test_vboxmanage_dhcp.py"],
    ),
    Mutation(
        "reservation-of-a-moved-nic-remains",
        "_drivers/vbox/settings/addresses.py",
        "holder[1] != number",
        "True",
        [f"{_FIXED[0]}::test_nic_that_is_moved_or_removed_loses_its_address"],
    ),
    Mutation(
        "forwarded-port-is-unknown-to-a-task-that-waits",
        "_drivers/vbox",
        "ssh = ssh_of(vbox_vm) if power == RUNNING else None",
        "ssh = None",
        [f"{_UNIT}/test_power.py::test_ssh_of_a_guest_behind_nat_is_known_while_the_task_waits_for_it"],
    ),
    Mutation(
        "setting-that-virtualbox-does-not-keep-is-accepted",
        "_drivers/vbox",
        'bare_key(key).startswith(_NOT_KEPT) and text != "on"',
        "False",
        [f"{_UNIT}/settings/test_native_names.py"],
    ),
    Mutation(
        "loopback-of-a-nic-with-another-type-is-not-read",
        "_drivers/vbox",
        '_NATS = ("NAT", "DisabledModes/NAT")',
        '_NATS = ("NAT",)',
        [f"{_UNIT}/settings/test_native_names.py"],
    ),
)
