# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of optical drives: two options for the first one, slots of others, and the seed ISO of cloud-init."""

from __future__ import annotations

from mutations.mutation import Mutation

_DRIVES, _CDROMS = "_core/planner/drives.py", "_drivers/virsh/settings/cdroms.py"
_CORE = ("tests/unit/module_utils/_core/planner/test_drives.py",)
_VIRSH = ("tests/unit/module_utils/_drivers/virsh/settings/test_cdroms.py",)
_MEDIA = "_core/record/answer_media.py"
_KEPT = "not vm.owned or vm.power != STOPPED or vm.snapshots"
_MEDIA_TESTS = ("tests/unit/module_utils/_core/record/test_answer_media.py",)
_COSTS = ("tests/unit/tables/test_costs.py",)

_PROMPT = ("tests/unit/module_utils/_media/test_prepared.py",)
_MEDIUM = ("tests/unit/module_utils/_media/test_windows_medium.py",)
_BOOT_KEYS = "_engine/progress/boot_keys.py"
_KEYS = ("tests/unit/module_utils/_engine/test_boot_keys.py",)
_ON_HYPERV = ("tests/platforms/hyperv/test_boot_prompt.py",)

MUTATIONS = (
    Mutation(
        "image-prepared-from-another-file-of-the-same-name",
        "_media/on_host.py::medium_of",
        "files.version(stored.name) != list(stored.made_from)",
        "False",
        _PROMPT,
    ),
    Mutation(
        "prepared-image-that-was-changed",
        "_media/on_host.py::medium_of",
        "files.version(path) == list(stored.seen or ())",
        "True",
        _PROMPT,
    ),
    Mutation(
        "layer-on-any-file",
        "_drivers/virsh/images.py::has_medium",
        "disk_header.names_in_qcow(wanted.path) == [(wanted.name, 'raw')]",
        "True",
        _PROMPT,
    ),
    Mutation("private-image-is-prepared-for-all", "_media/store.py::add", "if is_public:\n    ...", "...", _PROMPT),
    Mutation(
        "image-that-is-prepared-can-be-read-by-all",
        "_media/download.py::private_file",
        "files.write_atomically(new, b'', 0o600)",
        "pass",
        _PROMPT,
    ),
    Mutation(
        "image-in-a-private-directory-is-public",
        "_ports/partial_files.py::may_everybody_read",
        "all(map(files.may_everybody_enter, files.folders_above(path)))",
        "True",
        _PROMPT,
    ),
    Mutation(
        "image-is-a-layer-by-its-name",
        f"{_CDROMS}::set_iso",
        "(change.new, _RAW)",
        "(change.new, _LAYER if '.no-prompt-' in (change.new or '') else _RAW)",
        _VIRSH,
    ),
    Mutation(
        "image-in-a-drive-is-a-layer-by-its-name",
        f"{_CDROMS}::set_drive",
        "_set_image(driver, vm, definition, running, change.key, change.new)",
        "_set_image(driver, vm, definition, running, change.key, change.new,"
        " _LAYER if '.no-prompt-' in (change.new or '') else _RAW)",
        _VIRSH,
    ),
    Mutation(
        "image-is-what-its-record-says",
        f"{_CDROMS}::_medium_in",
        "_type_of(drive) == _LAYER",
        "True",
        _VIRSH,
    ),
    Mutation(
        "medium-that-is-no-file-blocks",
        "_media/windows_medium.py::disc_at",
        "files.is_file(path) or files.is_block_device(path)",
        "True",
        _MEDIUM,
    ),
    Mutation("directory-of-any-length", "_media/disc.py::content", "left > _LONGEST", "False", _MEDIUM),
    Mutation(
        "number-of-an-image-is-any-digit",
        "_media/windows_medium.py::_image",
        "_INDEX.fullmatch(index)",
        "index.isdigit()",
        _MEDIUM,
    ),
    Mutation("image-of-media-without-the-other-program", "_media/prepared.py::_edit", "edit is None", "False", _PROMPT),
    Mutation(
        "image-changed-while-it-was-prepared",
        "_media/images.py",
        "files.version(iso) != wanted.made_from",
        "False",
        _PROMPT,
    ),
    Mutation(
        "image-changed-while-a-windows-host-prepared-it",
        "_media/windows/medium.py",
        "version_in(self._call(version_call(wanted.name))) != wanted.made_from",
        "False",
        _ON_HYPERV,
    ),
    Mutation(
        "windows-host-has-the-image-of-a-replaced-file",
        "_media/windows/medium.py::media_behind",
        "now[path] == list(stored.made_from)",
        "True",
        _ON_HYPERV,
    ),
    Mutation(
        "prepared-image-of-a-vm-is-not-held",
        "_drivers/hyperv/claims.py::_of_media",
        "NO_PROMPT in path.lower()",
        "False",
        _ON_HYPERV,
    ),
    Mutation(
        "prompt-of-another-image-is-skipped",
        _DRIVES,
        "not is_requested and config[ISO] != before.get(ISO)",
        "False",
        _CORE,
    ),
    Mutation("prompt-is-skipped-without-uefi", _DRIVES, 'present.get("firmware") != "uefi"', "False", _CORE),
    Mutation(
        "changed-image-of-a-windows-host-is-used",
        "_drivers/hyperv/images.py::HostImages",
        "not found.is_unchanged(self.store.seen(found.path))",
        "False",
        ["tests/platforms/hyperv/test_boot_prompt.py::test_prepared_image_that_was_changed_is_not_used"],
    ),
    Mutation(
        "prepared-image-of-an-earlier-version-is-unknown",
        "_media/store.py::Stored",
        "bool(version) and version[0] == self.file_size",
        "False",
        _ON_HYPERV,
    ),
    Mutation(
        "key-that-hyper-v-rejects-counts-as-pressed",
        "_drivers/hyperv/driver.py",
        "code != 0",
        "False",
        ["tests/platforms/hyperv/test_boot_prompt.py::test_key_that_hyper_v_rejects_fails_the_task"],
    ),
    Mutation("keys-without-an-iso-image", _DRIVES, "not has_iso or vm.config.get(SKIP_PROMPT)", "False", _KEYS),
    Mutation(
        "keys-for-saved-memory",
        "_core/planner/plan.py::_power_step",
        'move == "start" and is_last and vm.power != SUSPENDED',
        'move == "start" and is_last',
        _KEYS,
    ),
    Mutation("keys-after-the-first-write", _BOOT_KEYS, "is_written(first, used)", "False", _KEYS),
    Mutation(
        "keys-into-unknown-disks",
        _BOOT_KEYS,
        '"" if progress.created else "it is not known what the disks contain"',
        '""',
        _KEYS,
    ),
    Mutation("keys-into-a-new-disk-with-a-system", _BOOT_KEYS, "any(_1 for one in _CONTENTS)", "False", _KEYS),
    Mutation(
        "no-key-because-of-the-size-of-a-new-disk",
        _BOOT_KEYS,
        "used != first if _is_new_without_content(progress) else is_written(first, used)",
        "is_written(first, used)",
        _KEYS,
    ),
    Mutation("no-key-without-a-warning", _BOOT_KEYS, "not progress.is_key_pressed", "False", _KEYS),
    Mutation(
        "only-the-image-in-the-first-drive-asks-for-a-key",
        _DRIVES,
        "any(path for _option, path in media_of(vm.config))",
        "vm.config.get(ISO)",
        ["tests/platforms/hyperv/test_boot_prompt.py::test_iso_image_in_any_drive_may_ask_for_a_key"],
    ),
    Mutation(
        "keys-into-written-disks",
        "_core/model.py::is_written",
        "used > _WRITTEN or used != first",
        "used != first",
        _KEYS,
    ),
    Mutation(
        "iso-image-counts-as-disk-space",
        "_drivers/virsh/answers.py::_counters",
        "{slot: used for slot, used in sizes.items() if slot not in drives}",
        "sizes",
        ["tests/unit/module_utils/_drivers/virsh/test_observe.py"],
    ),
    Mutation("iso-and-its-drive-in-one-task", _DRIVES, "same is not None", "False", _CORE),
    Mutation("complete-list-removes-the-drive-of-iso", _DRIVES, "same is None and is_complete", "False", _CORE),
    Mutation(
        "drive-in-the-slot-of-a-seed",
        _DRIVES,
        'dict.fromkeys(vm.reserved, "a drive that no option sets, such as that of the cloud-init seed")',
        "{}",
        _CORE,
    ),
    Mutation("image-of-a-running-vm-is-free", "_core/sharing/claims.py::_with_media", "remains or _1", "_1", _CORE),
    Mutation("iso-without-its-drive", _DRIVES, "{**config, CDROMS: cdroms, ISO: iso_of(cdroms)}", "config", _CORE),
    Mutation(
        "seed-is-an-optical-drive",
        f"{_CDROMS}::drives_of",
        "not file_of(drive) or file_of(drive) not in own_files",
        "True",
        _VIRSH,
    ),
    Mutation(
        "answer-medium-on-a-bus-without-a-driver-of-windows-setup",
        f"{_CDROMS}::add_seeds",
        "target_and_bus(slot) if has_answers else (slot_name_of(slot), 'scsi')",
        "(slot_name_of(slot), 'scsi')",
        _VIRSH,
    ),
    *(
        Mutation(name, f"{_MEDIA}::answer_media", _KEPT, code, _MEDIA_TESTS)
        for name, code in (
            ("answer-medium-of-another-vm-is-deleted", "vm.power != STOPPED or vm.snapshots"),
            ("answer-medium-of-a-running-vm-is-deleted", "not vm.owned or vm.snapshots"),
            ("answer-medium-of-a-snapshot-is-deleted", "not vm.owned or vm.power != STOPPED"),
        )
    ),
    Mutation(
        "seed-without-answers-is-deleted", f"{_MEDIA}::recorded_media", "has_answers and paths", "paths", _MEDIA_TESTS
    ),
    Mutation("two-drives-with-one-target", _CDROMS, "present != slot or slot in normalized", "False", _VIRSH),
    Mutation(
        "image-in-a-drive-that-is-not-there", f"{_CDROMS}::_cost_of_source", "_is_running_with(*_)", "True", _COSTS
    ),
)
