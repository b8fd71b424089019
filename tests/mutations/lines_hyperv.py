# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the driver of Hyper-V, of its tool, and of the port to Windows hosts."""

from __future__ import annotations

from mutations.mutation import Mutation

_TESTS = "tests/platforms/hyperv"
_TASKS = (f"{_TESTS}/test_generations.py",)
_POWER = (f"{_TESTS}/test_power.py",)
_TEXTS = (f"{_TESTS}/test_texts.py",)
_COUNTS = (f"{_TESTS}/test_counts.py",)
_PORT = ("tests/unit/module_utils/_ports/test_windows.py",)

MUTATIONS = (
    Mutation(
        "similar-names-share-files",
        "_drivers/hyperv",
        'safe if safe == name else f"{safe}-{zlib.crc32(name.casefold().encode()):08x}"',
        "safe",
        _TASKS,
    ),
    Mutation(
        "guest-without-vss-is-not-foreseen",
        "_drivers/hyperv",
        'raw and is_taken and is_only and not service_responds(raw, "vss")',
        "False",
        _TASKS,
    ),
    Mutation(
        "vm-without-files-is-taken-for-any-state",
        "_core",
        "vm.reported is not None and TABLE[state][vm.reported].choose(False) == ()",
        "vm.reported is not None",
        _POWER,
    ),
    Mutation(
        "vm-with-a-name-in-use-is-not-deleted-by-its-id",
        "_drivers/hyperv",
        "Traits(unique_names=False, **_)",
        "Traits(unique_names=True, **_)",
        _TASKS,
    ),
    Mutation("refused-power-off-is-not-repeated", "_drivers/hyperv", 'error.id != "InvalidState"', "True", _POWER),
    Mutation(
        "files-of-a-killed-creation-stay",
        "_drivers/hyperv",
        '{**mark, "id": raw["Id"]} if is_new else mark',
        "mark",
        _TASKS,
    ),
    Mutation("base-of-linked-disks-starts", "_drivers/hyperv", "claim.kind == OWN", "False", _TASKS),
    Mutation(
        "disk-of-a-running-vm-is-copied",
        "_drivers/hyperv",
        "self._driver.host_files.is_attached(claim.text) if claim.mode == COPY else claim.mode != READ",
        "claim.mode not in (COPY, READ)",
        (f"{_TESTS}/test_shared_disks.py",),
    ),
    Mutation("vm-of-cluster-is-changed", "_drivers/hyperv", 'raw and raw.get("IsClustered")', "False", _TASKS),
    Mutation(
        "disks-of-running-vm-are-copied",
        "_drivers/hyperv",
        'source.power == STOPPED or (source.power == SUSPENDED and change.new.get("snapshot"))',
        "True",
        _TASKS,
    ),
    Mutation(
        "guest-that-does-not-answer-is-asked",
        "_drivers/hyperv",
        '{"Id": service_id(vm.id, "shutdown"), "Enabled": [True], "PrimaryOperationalStatus": ["Ok"]}',
        '{"Id": service_id(vm.id, "shutdown"), "Enabled": [True]}',
        _POWER,
    ),
    Mutation(
        "part-that-cannot-be-read-is-left-out",
        "_drivers/hyperv",
        'answer.error is not None and answer.error.id != "NothingKept"',
        "False",
        _TASKS,
    ),
    Mutation(
        "mark-has-no-id",
        "_drivers/hyperv",
        'notes_on_host(config.get("description") or "", finished_mark(mark, "name"), Ref("id"))',
        'notes_of(config.get("description") or "", finished_mark(mark, "name"))',
        _TASKS,
    ),
    Mutation(
        "start-is-a-request-of-its-own",
        "_kit",
        "isinstance(self._calls, Last) and self._done + 1 < len(self._steps)",
        "False",
        _COUNTS,
    ),
    Mutation(
        "existing-vm-is-read-like-a-new-one",
        "_drivers/hyperv",
        'pick("all", "existing", conditions={"Name": names}, fewer=len(names))',
        'pick("all", "existing", conditions={"Name": names}, one=False)',
        _COUNTS,
    ),
    Mutation("old-observation-counts", "_drivers/hyperv", "self._clock.now() > self._end", "False", _COUNTS),
    Mutation(
        "paths-are-patterns",
        "_tools",
        '{"LiteralPath": list(paths), **force}',
        '{"Path": list(paths), **force}',
        _TEXTS,
    ),
    Mutation("texts-become-dates", "_ports", 'f"={given}"', "given", _TEXTS),
    Mutation("change-is-repeated-after-a-lost-answer", "_ports", "_TRIES if reads_only else 1", "_TRIES", _PORT),
    Mutation(
        "files-of-another-task-are-removed",
        "_drivers/hyperv",
        "_remove(unfinished, making_of(own_mark(raw)), only_while=unfinished)",
        "_remove(unfinished, making_of(own_mark(raw)))",
        (f"{_TESTS}/test_names_of_others.py",),
    ),
    Mutation(
        "drives-keep-the-slots-of-the-other-generation",
        "_core/planner/plan.py",
        "with_moved_drives(vm, moves)",
        "vm",
        (f"{_TESTS}/test_generations.py",),
    ),
    Mutation(
        "vm-is-deleted-for-drives-that-the-new-one-lacks",
        "_drivers/hyperv",
        "{first: first_slot(becomes), **dict.fromkeys(others)}",
        "{first: first_slot(becomes)}",
        (f"{_TESTS}/test_generations.py",),
    ),
    Mutation(
        "disks-have-no-order-in-the-other-generation",
        "_drivers/hyperv/settings/cdroms.py",
        "dict(zip_longest(disks, islice(slots, len(disks))))",
        "{slot: slot for slot in disks}",
        _TASKS,
    ),
    Mutation(
        "disks-have-the-slots-of-dvd-drives",
        "_drivers/hyperv/settings/cdroms.py",
        "range(62)",
        "range(64)",
        _TASKS,
    ),
    Mutation(
        "secure-boot-is-kept-with-bios",
        "_drivers/hyperv/settings/cdroms.py",
        "SECURE_BOOT if becomes else ()",
        "()",
        _TASKS,
    ),
    Mutation(
        "bios-is-compared-with-what-it-does-not-have",
        "_drivers/hyperv/settings/firmware.py",
        "name not in _UEFI_ONLY or vm.config.get(name)",
        "True",
        _TASKS,
    ),
    Mutation(
        "vm-is-deleted-for-settings-that-the-new-one-lacks",
        "_core/planner/plan.py",
        "check_kept_settings(_vm_to_create(replace(task, vm=absent)), config, task.traits)",
        "None",
        _TASKS,
    ),
    Mutation(
        "listed-file-does-not-move-with-the-slots",
        "_core/planner/plan.py",
        "with_disks_of_task(vm, request.config, task.traits) if moves else vm",
        "vm",
        _TASKS,
    ),
    Mutation(
        "two-disks-have-one-slot",
        "_core/planner/moved_drives.py",
        "slot in found and slot not in moves",
        "False",
        _TASKS,
    ),
)
