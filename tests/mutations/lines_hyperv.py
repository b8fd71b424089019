# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the driver of Hyper-V, of its tool, and of the port to Windows hosts."""

from __future__ import annotations

from mutations.mutation import Mutation

_UTILS = "plugins/module_utils"
_TESTS = "tests/platforms/hyperv"
_TASKS = (f"{_TESTS}/test_tasks.py",)
_POWER = (f"{_TESTS}/test_power.py",)
_TEXTS = (f"{_TESTS}/test_texts.py",)
_COUNTS = (f"{_TESTS}/test_counts.py",)
_PORT = ("tests/unit/module_utils/_ports/test_windows.py",)

MUTATIONS = (
    Mutation(
        "similar-names-share-files",
        f"{_UTILS}/_drivers/hyperv/settings/disks.py",
        'return safe if safe == name else f"{safe}-{zlib.crc32(name.casefold().encode()):08x}"',
        "return safe",
        {"unit": _TASKS},
    ),
    Mutation(
        "guest-without-vss-is-not-foreseen",
        f"{_UTILS}/_drivers/hyperv/snapshots.py",
        'if raw and is_taken and is_only and not service_responds(raw, "vss"):',
        "if False:",
        {"unit": _TASKS},
    ),
    Mutation(
        "vm-without-files-is-taken-for-any-state",
        f"{_UTILS}/_core/plan.py",
        "return ENDS_IN[state] is None or (vm.reported is not None and TABLE[state][vm.reported].choose(False) == ())",
        "return ENDS_IN[state] is None or vm.reported is not None",
        {"unit": _POWER},
    ),
    Mutation(
        "vm-with-a-name-in-use-is-not-deleted-by-its-id",
        f"{_UTILS}/_drivers/hyperv/traits.py",
        "unique_names=False,",
        "unique_names=True,",
        {"unit": _TASKS},
    ),
    Mutation(
        "refused-power-off-is-not-repeated",
        f"{_UTILS}/_drivers/hyperv/power.py",
        'if error.id != "InvalidState":',
        "if True:",
        {"unit": _POWER},
    ),
    Mutation(
        "files-of-a-killed-creation-stay",
        f"{_UTILS}/_drivers/hyperv/mark.py",
        'return {**mark, "id": raw["Id"]} if is_new else mark',
        "return mark",
        {"unit": _TASKS},
    ),
    Mutation(
        "base-of-linked-disks-starts",
        f"{_UTILS}/_drivers/hyperv/claims.py",
        "return claim.kind == OWN",
        "return False",
        {"unit": _TASKS},
    ),
    Mutation(
        "disk-of-a-running-vm-is-copied",
        f"{_UTILS}/_drivers/hyperv/claims.py",
        "return self._driver.host_files.is_attached(claim.text) if claim.mode == COPY else claim.mode != READ",
        "return claim.mode not in (COPY, READ)",
        {"unit": (f"{_TESTS}/test_shared_disks.py",)},
    ),
    Mutation(
        "vm-of-cluster-is-changed",
        f"{_UTILS}/_drivers/hyperv/checks.py",
        'if raw and raw.get("IsClustered"):',
        "if False:",
        {"unit": _TASKS},
    ),
    Mutation(
        "disks-of-running-vm-are-copied",
        f"{_UTILS}/_drivers/hyperv/traits.py",
        'is_copied = source.power == STOPPED or (source.power == SUSPENDED and change.new.get("snapshot"))',
        "is_copied = True",
        {"unit": _TASKS},
    ),
    Mutation(
        "guest-that-does-not-answer-is-asked",
        f"{_UTILS}/_drivers/hyperv/power.py",
        'conditions = {"Id": service_id(vm.id, "shutdown"), "Enabled": [True], "PrimaryOperationalStatus": ["Ok"]}',
        'conditions = {"Id": service_id(vm.id, "shutdown"), "Enabled": [True]}',
        {"unit": _POWER},
    ),
    Mutation(
        "part-that-cannot-be-read-is-left-out",
        f"{_UTILS}/_drivers/hyperv/observe.py",
        'if answer.error is not None and answer.error.id != "NothingKept":',
        "if False:",
        {"unit": _TASKS},
    ),
    Mutation(
        "mark-has-no-id",
        f"{_UTILS}/_drivers/hyperv/create.py",
        'notes = notes_on_host(config.get("description") or "", mark, Ref("id"))',
        'notes = notes_of(config.get("description") or "", mark)',
        {"unit": _TASKS},
    ),
    Mutation(
        "start-is-a-request-of-its-own",
        f"{_UTILS}/_kit/in_rounds.py",
        "if isinstance(self._calls, Last) and self._done + 1 < len(self._steps):",
        "if False:",
        {"unit": _COUNTS},
    ),
    Mutation(
        "existing-vm-is-read-like-a-new-one",
        f"{_UTILS}/_drivers/hyperv/checks.py",
        'only_if_new = pick("all", "existing", conditions={"Name": names}, fewer=len(names))',
        'only_if_new = pick("all", "existing", conditions={"Name": names}, one=False)',
        {"unit": _COUNTS},
    ),
    Mutation(
        "old-observation-counts",
        f"{_UTILS}/_drivers/hyperv/driver.py",
        "if self._clock.now() > self._end:",
        "if False:",
        {"unit": _COUNTS},
    ),
    Mutation(
        "paths-are-patterns",
        f"{_UTILS}/_tools/windows_files.py",
        r'return call(f"Microsoft.PowerShell.Management\\{command}", {"LiteralPath": list(paths), **force}, **more)',
        r'return call(f"Microsoft.PowerShell.Management\\{command}", {"Path": list(paths), **force}, **more)',
        {"unit": _TEXTS},
    ),
    Mutation(
        "texts-become-dates",
        f"{_UTILS}/_ports/windows_request.py",
        'return f"={given}"',
        "return given",
        {"unit": _TEXTS},
    ),
    Mutation(
        "change-is-repeated-after-a-lost-answer",
        f"{_UTILS}/_ports/windows.py",
        "tries = _TRIES if reads_only else 1",
        "tries = _TRIES",
        {"unit": _PORT},
    ),
    Mutation(
        "files-of-another-task-are-removed",
        f"{_UTILS}/_drivers/hyperv/delete.py",
        'yield from _remove(unfinished, own_mark(raw).get("making", ()), only_while=unfinished)',
        'yield from _remove(unfinished, own_mark(raw).get("making", ()))',
        {"unit": (f"{_TESTS}/test_names_of_others.py",)},
    ),
)
