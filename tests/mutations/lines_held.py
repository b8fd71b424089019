# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what VMs of libvirt hold, of native and of clones: a guard dropped, a list shortened."""

from __future__ import annotations

from mutations.mutation import Mutation

_DRIVERS = "tests/unit/module_utils/_drivers"
_UNIT = f"{_DRIVERS}/virsh"
_FILES, _OWNED = [f"{_UNIT}/test_named_files.py"], [f"{_UNIT}/settings/test_native_owned.py"]
_CLONES, _CHECKPOINTS = [f"{_UNIT}/test_exclusive.py"], [f"{_UNIT}/test_checkpoints.py"]
_KEYS, _MEMORY = [f"{_DRIVERS}/test_native_of_options.py"], [f"{_UNIT}/settings/test_memory_cpus.py"]

MUTATIONS = (
    Mutation(
        "images-of-a-suspended-vm-are-not-written",
        "_drivers/virsh/claims.py",
        "vm.power in (STOPPED, SUSPENDED)",
        "vm.power == STOPPED",
        [f"{_UNIT}/test_needed.py::test_internal_snapshot_is_not_deleted_from_an_image_that_is_open_elsewhere"],
    ),
    Mutation(
        "locks-of-a-suspended-vm-are-not-asked",
        "_core/sharing/needed_files.py",
        "vm.on and vm.power != SUSPENDED",
        "vm.on",
        [f"{_UNIT}/test_needed.py::test_internal_snapshot_is_not_deleted_from_an_image_that_is_open_elsewhere"],
    ),
    Mutation(
        "saved-memory-holds-nothing",
        "_drivers/virsh/observe.py",
        '[("managedsave-dumpxml", uuid) for uuid in uuids if uuid in self.saved]',
        "[]",
        _FILES,
    ),
    Mutation(
        "unreadable-saved-memory-holds-nothing",
        "_drivers/virsh/observe.py::read_definitions",
        "is_not_found(answer.error) or is_not_saved(answer.error)",
        "True",
        _FILES,
    ),
    Mutation(
        "saved-memory-is-named-without-remedy",
        "_drivers/virsh/claims.py",
        "if definition.is_saved:\n    ...",
        "if False:\n    ...",
        _FILES,
    ),
    Mutation(
        "memory-files-are-not-known",
        "_drivers/virsh/own_files.py",
        "[*_of_logs(definition), *_of_devices(definition), *_of_memory(definition), *_of_boot(definition)]",
        "[*_of_logs(definition), *_of_devices(definition), *_of_boot(definition)]",
        _FILES,
    ),
    Mutation(
        "sockets-are-no-files",
        "_drivers/virsh/own_files.py",
        '("file", "dev", "pipe", "unix")',
        '("file", "dev", "pipe")',
        _FILES,
    ),
    Mutation(
        "written-loader-is-read",
        "_drivers/virsh/own_files.py",
        'loader.get("type") == "pflash" and loader.get("readonly") == "no"',
        "False",
        _FILES,
    ),
    Mutation(
        "floppy-is-read",
        "_drivers/virsh/claims.py::_of_drive",
        '("disk", "lun", "floppy")',
        '("disk", "lun")',
        _FILES,
    ),
    Mutation(
        "native-claims-nothing",
        "_drivers/virsh/rehearsal.py::definitions",
        'step.verb == "configure" and any(change.field == "native" for change in step.changes)',
        "False",
        _FILES,
    ),
    Mutation(
        "own-log-is-a-new-file",
        "_drivers/virsh/claims.py::_new_native_files",
        "claim.identity not in own",
        "True",
        _FILES,
    ),
    Mutation(
        "restored-files-are-not-claimed",
        "_drivers/virsh/rehearsal.py::_restored",
        "restored and (observed(driver, plan.before.id), restored)",
        "None",
        _FILES,
    ),
    Mutation(
        "stored-definition-claims-nothing",
        "_core/sharing/claims.py::claims_of_plan",
        "[*after, *_1, *driver.stored(plan, one.step)]",
        "[*after, *_1]",
        _FILES,
    ),
    Mutation(
        "native-leads-to-a-disk",
        "_drivers/virsh/settings/native.py::write_native",
        "if option:\n    ...",
        "if False:\n    ...",
        _OWNED,
    ),
    Mutation(
        "optical-drive-becomes-a-disk",
        "_drivers/virsh/settings/native.py::_option_of_drive",
        'option_of(definition, drive).partition(".")[0]',
        "None",
        _OWNED,
    ),
    Mutation(
        "first-optical-drive-has-no-option",
        "_drivers/virsh/settings/cdroms.py::option_of",
        "drive is iso_drive(definition, own_files)",
        "False",
        _OWNED,
    ),
    Mutation(
        "path-leads-around-the-options",
        "_kit/native_paths.py::check_path",
        'steps & {".", ".."}',
        "False",
        _OWNED,
    ),
    Mutation(
        "native-adds-a-device",
        "_drivers/virsh/settings/native.py",
        "_DEVICES.get(tags[0]) if device is None else None",
        "None",
        _OWNED,
    ),
    Mutation(
        "clone-shares-an-interface",
        "_drivers/virsh/exclusive.py::_of_nic",
        'source.get("mode") == "passthrough"',
        "False",
        _CLONES,
    ),
    Mutation(
        "clone-writes-to-the-files-of-its-source",
        "_drivers/virsh/exclusive.py::exclusive_devices",
        "mode == WRITE",
        "False",
        _CLONES,
    ),
    Mutation(
        "clone-has-the-vsock-number",
        "_drivers/virsh/exclusive.py::make_unique",
        'cid.attrib.pop("address", None)',
        "None",
        _CLONES,
    ),
    Mutation(
        "clone-listens-at-the-same-udp-port",
        "_drivers/virsh/clone.py",
        '("file", "pipe", "unix", "tcp", "udp")',
        '("file", "pipe", "unix", "tcp")',
        _CLONES,
    ),
    Mutation(
        "checkpoints-do-not-matter",
        "_drivers/virsh/checks.py::_check_restore",
        "_check_checkpoints(driver, vm, name)",
        "None",
        _CHECKPOINTS,
    ),
    Mutation(
        "unknown-checkpoints-are-none",
        "_drivers/virsh/checks.py::_check_checkpoints",
        "answer is None or is_unsupported(answer.error)",
        "answer is None or answer.error",
        _CHECKPOINTS,
    ),
    Mutation(
        "bitmaps-do-not-matter",
        "_drivers/virsh/snapshots.py::check_content",
        "image.bitmaps and for_restore",
        "False",
        _CHECKPOINTS,
    ),
    Mutation(
        "memory-file-is-memory",
        "_tools/domain_xml.py",
        '("nvdimm", "virtio-pmem")',
        "()",
        _MEMORY,
    ),
    Mutation(
        "written-memory-shrinks-by-its-file",
        "_drivers/virsh/settings/memory_cpus.py",
        "maximum + definition.persistent_memory",
        "maximum",
        _MEMORY,
    ),
    Mutation(
        "native-of-hyperv-sets-what-an-option-sets",
        "_drivers/hyperv/settings/native.py::_normalized",
        "key in _OPTIONS and (key, str(value).lower()) != _BEYOND",
        "False",
        _KEYS,
    ),
    Mutation(
        "native-of-vagrant-forwards-a-port",
        "_drivers/vagrant/settings/native.py",
        '{"vm.network": _of_networks, **_}',
        "{**_}",
        _KEYS,
    ),
    Mutation(
        "native-of-vagrant-sets-what-an-option-sets",
        "_drivers/vagrant/settings/native.py::check_native",
        "options.get(key) or _1",
        "_1",
        _KEYS,
    ),
    Mutation(
        "native-of-vmd-names-no-option",
        "_drivers/vmm/settings/table.py::_native",
        "sorted(given.keys() & options.keys())",
        "()",
        _KEYS,
    ),
)
