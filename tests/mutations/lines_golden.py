# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of golden images."""

from __future__ import annotations

from mutations.mutation import Mutation

_FILE, _UNIT = "_media/golden.py", ["tests/unit/module_utils/_media/test_golden.py"]
_MAIN, _TASKS = "roles/golden_image/vars/main.yml", "roles/golden_image/tasks"
_SEAL, _SEALED = "roles/golden_image/files/seal.sh", ["tests/unit/roles/test_golden_image_seal.py"]
_CHECKED = ["tests/unit/roles/test_golden_image.py"]
_ROLE = ["tests/suite/test_golden_images.py"]

MUTATIONS = (
    Mutation("golden-image-of-a-foreign-vm", _FILE, "not found[0].created", "False", _UNIT),
    Mutation("golden-image-of-a-vm-for-something-else", _FILE, 'vm.mark.get("owner") != owner', "False", _UNIT),
    Mutation("golden-image-of-a-vm-that-was-not-sealed", _FILE, "sealed != vm.id", "False", _UNIT),
    Mutation(
        "golden-image-can-be-read-by-all-users",
        _FILE,
        "store.add(new, stored, partial_files.may_everybody_read(source.path))",
        "store.add(new, stored)",
        _UNIT,
    ),
    Mutation(
        "copy-of-a-disk-can-be-read-by-all-users",
        "_media/download.py",
        'files.write_atomically(new, b"", 0o600)',
        "files.remove(new)",
        _UNIT,
    ),
    Mutation("golden-image-of-a-running-vm", _FILE, "found[0].power != STOPPED", "False", _UNIT),
    Mutation("golden-image-with-one-of-two-disks", _FILE, "len(disks) != 1", "False", _UNIT),
    Mutation("golden-image-is-stored-again", _FILE, 'one.golden["inputs"] == asked["inputs"]', "False", _UNIT),
    Mutation("used-version-is-removed", _FILE, "not users.of(one.path)", "True", _UNIT),
    Mutation("open-version-is-removed", _FILE, "not locks.is_locked_by_qemu(one.path)", "True", _UNIT),
    Mutation("golden-image-replaces-a-download", _FILE, "not one.golden", "False", _UNIT),
    Mutation("golden-image-is-stored-in-check-mode", _FILE, "source and not check", "source", _UNIT),
    Mutation(
        "entry-of-the-user-is-overwritten",
        _MAIN,
        "if __golden_image_entry_file is exists and __golden_image_mark not in __golden_image_old_entry",
        "if false",
        _CHECKED,
    ),
    Mutation(
        "golden-image-has-the-name-of-an-operating-system",
        _MAIN,
        "if golden_image_name in __golden_image_other_names",
        "if false",
        _CHECKED,
    ),
    Mutation(
        "two-hosts-build-in-vms-of-the-same-name",
        f"{_TASKS}/main.yml",
        "when: __golden_image_hosts | length > 1",
        "when: false",
        _CHECKED,
    ),
    Mutation("guest-is-sealed-without-a-check", _SEAL, 'verify "$machine_id"', ":", _SEALED),
    Mutation("guest-is-sealed-without-root", _SEAL, '[ "$(id -u)" = 0 ] || refuse "sealing needs root"', ":", _SEALED),
    Mutation(
        "another-vm-is-sealed",
        _SEAL,
        '[ "$(tr A-F a-f </sys/class/dmi/id/product_uuid)" = "$BUILD_VM" ]'
        ' || refuse "this guest is not the VM $BUILD_VM"',
        ":",
        _SEALED,
    ),
    Mutation(
        "host-that-shows-no-id-is-sealed",
        _SEAL,
        '[ -n "$(files_with_build_key)" ] || refuse "this guest does not show that it is the VM $BUILD_VM"',
        ":",
        _SEALED,
    ),
    Mutation("free-space-keeps-removed-files", _SEAL, "clear_free_space", ":", _SEALED),
    Mutation(
        "free-space-is-cleared-in-part",
        _SEAL,
        '[ "${percent:-100}" -lt 1 ] || refuse "free space of $folder cannot be overwritten"',
        ":",
        _SEALED,
    ),
    Mutation("reserved-blocks-keep-removed-files", _SEAL, '[ ! -e "$reserve" ] || echo 0 >"$reserve"', ":", _SEALED),
    Mutation("swap-space-keeps-its-content", _SEAL, "clear_swap || exit 1", ":", _SEALED),
    Mutation(
        "variables-of-the-command-line-select-another-vm",
        f"{_TASKS}/main.yml",
        "- vm_machines == [__golden_image_machine]",
        "- true",
        _CHECKED,
    ),
    Mutation(
        "state-of-the-command-line-stops-the-build", f"{_TASKS}/main.yml", "- vm_state == 'started'", "- true", _CHECKED
    ),
    Mutation(
        "scripts-of-the-command-line-replace-those-of-the-image",
        f"{_TASKS}/validate.yml",
        "- golden_image_scripts == [] or [guest_scripts, guest_scripts_folder] == [golden_image_scripts, playbook_dir]",
        "- true",
        _CHECKED,
    ),
    Mutation(
        "plan-of-a-golden-image-has-no-options-of-its-vm",
        _MAIN,
        "{{ [vm_machine.arguments, vm_machine.of_task] | to_json(sort_keys=true)",
        "{{ [] | to_json(sort_keys=true)",
        _CHECKED,
    ),
    Mutation(
        "plan-of-a-golden-image-has-passwords",
        _MAIN,
        "| regex_replace(__golden_image_secret, '*', ignorecase=true) }}",
        "| string }}",
        _CHECKED,
    ),
    Mutation(
        "unapproved-base-image-is-downloaded", f"{_TASKS}/inputs.yml", "check_mode: true", "check_mode: false", _CHECKED
    ),
    Mutation(
        "base-image-without-a-checksum-is-not-compared",
        f"{_TASKS}/base.yml",
        "when: not __golden_image_base_image.images[0].digest",
        "when: false",
        _CHECKED,
    ),
    Mutation(
        "options-of-the-build-are-checked-after-a-deletion",
        f"{_TASKS}/describe.yml",
        "loop: [describe, options]",
        "loop: [describe]",
        _CHECKED,
    ),
    Mutation(
        "zeros-of-btrfs-are-compressed", _SEAL, 'chattr +C "$folder/golden-image-zeros" 2>/dev/null', ":", _SEALED
    ),
    Mutation(
        "comments-of-keys-are-reported",
        _SEAL,
        "key_line='s,^(.*[[:blank:]])?((ssh|ecdsa|sk-ssh|sk-ecdsa|webauthn-sk)-[a-z0-9@.-]+)[[:blank:]]+(AAAA[[:alnum:]+/=]*).*,'",
        "key_line='s,^(.*[[:blank:]])?((ssh|ecdsa|sk-ssh|sk-ecdsa|webauthn-sk)-[a-z0-9@.-]+)[[:blank:]]+(AAAA.*),'",
        _SEALED,
    ),
    Mutation(
        "unapproved-golden-image-is-built",
        f"{_TASKS}/main.yml",
        "when: golden_image_expect_plan is defined and golden_image_plan not in ['', golden_image_expect_plan]",
        "when: false",
        _CHECKED,
    ),
)
