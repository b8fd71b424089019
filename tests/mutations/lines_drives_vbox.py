# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of optical drives of VirtualBox and Hyper-V, and of the log of VirtualBox's first serial port."""

from __future__ import annotations

from mutations.mutation import Mutation

_VBOX, _HYPERV = "_drivers/vbox/settings/cdroms.py", "_drivers/hyperv/settings/cdroms.py"
_LOG = "_drivers/vbox/settings/serial_log.py"
_CORE = ("tests/unit/module_utils/_core/planner/test_drives.py",)
_CDROMS = ("tests/unit/module_utils/_drivers/vbox/settings/test_cdroms.py",)
_CLONES = ("tests/unit/module_utils/_drivers/vbox/test_clone.py",)
_LOGS = ("tests/unit/module_utils/_drivers/vbox/settings/test_serial_log.py",)
_ON_HYPERV = ("tests/platforms/hyperv/test_dvd_drives.py",)
_COSTS = ("tests/unit/tables/test_costs.py",)

_SECURE = ("tests/unit/module_utils/_drivers/vbox/settings/test_secure_boot.py",)

MUTATIONS = (
    Mutation("variables-of-the-firmware-are-lost", "_drivers/vbox/settings/secure_boot.py",
             "not files.exists(*_)", "True", _SECURE),
    Mutation("secure-boot-is-that-of-the-key-alone", "_tools/uefi_variables.py",
             'found.get("SecureBootEnable", b"\1") == b"\1"', "True", _SECURE),
    Mutation("iso-of-a-new-vm-is-not-compared-with-its-drives", "_core/planner/differences.py::normalize",
             'config.get("iso") is not None', 'normalized.get("iso") is not None', _CORE),
    Mutation("image-in-a-new-drive-of-a-running-vm", f"{_VBOX}::add_drive",
             "path and vbox_vm.state.power in (RUNNING, PAUSED)", "False", _CDROMS),
    Mutation("drive-on-nvme", f"{_VBOX}::_normalized", "drive is not None and bus in _WITHOUT_DRIVES", "False",
             _CDROMS),
    Mutation("drive-listed-twice", f"{_VBOX}::_normalized", "slot in by_slot", "False", _CDROMS),
    Mutation("iso-without-a-slot", f"{_VBOX}::drive_slot", 'slot is None and config.get("iso")', "False", _CDROMS),
    Mutation("iso-in-the-slot-of-a-disk", f"{_VBOX}::drive_slot", "slot not in used", "True", _CDROMS),
    Mutation("seed-in-the-first-slot", f"{_VBOX}::_free_slot", "free[-1 if is_last else 0]", "free[0]", _CDROMS),
    Mutation("seed-without-a-slot", f"{_VBOX}::seed_slot", "not free", "False", _CDROMS),
    Mutation("clone-with-a-drive-in-the-slot-of-its-seed", "_drivers/vbox/checks.py::_check_seed_slot",
             "change.key == slot", "False", _CDROMS),
    Mutation("disk-in-the-slot-of-a-drive", "_drivers/vbox/checks.py::_check_slot",
             "slot in taken and slot not in freed", "False", _CDROMS),
    Mutation("seed-among-the-drives", "_drivers/vbox/vbox_vm.py::cdroms", "one.medium not in seeds", "True",
             _CDROMS),
    Mutation("drive-of-iso-is-added-to-a-running-vm", f"{_VBOX}::_cost_of_iso", 'vm.config.get("iso") is None', "False",
             _COSTS),
    Mutation("log-over-an-existing-file", f"{_LOG}::with_log",
             "path and path not in known and files.exists(path)", "False", _LOGS),
    Mutation("former-log-remains-recorded", f"{_LOG}::with_log",
             "not os.path.isabs(one) or one in (path, *known)", "True", _LOGS),
    Mutation("log-that-was-given-up-is-deleted-with-the-vm", "_drivers/vbox/vbox_vm.py::log_files",
             "os.path.isabs(path) and path in named", "os.path.isabs(path)", _LOGS),
    Mutation("log-of-a-snapshot-is-forgotten", "_tools/vboxmanage_file.py::first_serial_files",
             "(self, *map(SettingsFile, self._snapshots()))", "(self,)", _LOGS),
    Mutation("restored-log-of-another-vm", "_drivers/vbox/claims.py::stored",
             "path and path != plan.before.config.get(LOG)", "False", _LOGS),
    Mutation("disk-of-a-clone-in-the-slot-of-a-drive", "_core/planner/drives.py::_check_new_disks",
             "disk is not None and slot not in disks and drive in (vm.config.get(CDROMS) or ()) and remains", "False",
             _CORE),
    Mutation("slot-of-a-removed-drive-is-used", "_core/planner/drives.py::_check_new_disks",
             "wanted[drive] is not None if drive in wanted else not is_complete", "True", _CORE),
    Mutation("controllers-of-the-source-are-not-compared", "_drivers/vbox/checks.py::_with_slots",
             "driver.listing().vbox_vm_of(source.id)", "None", _CLONES),
    Mutation("clone-of-a-snapshot-has-the-slots-of-now", "_drivers/vbox/checks.py::_with_slots",
             "vbox_vm is not None and snapshot is not None", "False", _CLONES),
    Mutation("slot-of-the-seed-of-the-source-is-used", "_drivers/vbox/checks.py::_with_slots",
             "vbox_vm is not None and source.owned", "False", _CLONES),
    Mutation("log-of-an-unreadable-file", f"{_LOG}::_normalized",
             "vm.power != ABSENT and vm.config.get(LOG) is None", "False", _LOGS),
    Mutation("serial-port-of-others", f"{_LOG}::check_port", "port is not None and not port.is_usual", "False", _LOGS),
    Mutation("log-of-a-serial-port-is-not-recorded", "_drivers/vbox/configure.py::_with_recorded_log",
             'log and mark["files"] != own_mark(vm)["files"]', "False", _LOGS),
    Mutation("log-remains-after-its-vm", "_drivers/vbox/own_files.py::files_of", "vbox_vm.log_files()", "()", _LOGS),
    Mutation("any-existing-file-is-a-log", "_drivers/vbox/needed.py::is_leftover",
             "item.path in vbox_vm.log_files()", "True", _LOGS),
    Mutation("dvd-drive-of-a-new-bios-vm-remains", f"{_HYPERV}::new_drives_calls",
             "default and default not in drives", "False", _ON_HYPERV),
    Mutation("dvd-drive-on-scsi-of-bios", f"{_HYPERV}::_normalized", 'is_bios and not slot.startswith("IDE")', "False",
             _ON_HYPERV),
    Mutation("dvd-drive-in-the-slot-of-the-seed", "_drivers/hyperv/settings/slot_checks.py::check_slots",
             'has_new_seed and seed_slot(config) in _added_slots(one, "cdroms")', "False", _ON_HYPERV),
    Mutation("seed-of-a-clone-in-the-slot-of-a-drive", "_drivers/hyperv/settings/slot_checks.py::_check_seed_of_clone",
             "slot in (config.get(option) or ())", "False", _ON_HYPERV),
    Mutation("limit-below-the-minimum-of-a-disk", "_drivers/hyperv/settings/disks.py::check_limits",
             "change.new < minima.get(change.key, 0)", "False", ("tests/platforms/hyperv/test_iops_limits.py",)),
    Mutation("dvd-drive-with-a-seed-is-one-of-cdroms", f"{_HYPERV}::dvd_drives",
             'not one.get("Path") or key_of(one["Path"]) not in seeds', "True", _ON_HYPERV),
)  # fmt: skip
