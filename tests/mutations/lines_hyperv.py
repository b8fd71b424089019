# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the driver of Hyper-V, of its tool, and of the port to Windows hosts."""

from __future__ import annotations

from mutations.mutation import Mutation

_UTILS = "plugins/module_utils"
_TESTS = "tests/platforms/hyperv"
_TASKS = (f"{_TESTS}/test_tasks.py",)
_TEXTS = (f"{_TESTS}/test_texts.py",)
_COUNTS = (f"{_TESTS}/test_counts.py",)
_PORT = ("tests/unit/module_utils/_ports/test_windows.py",)

MUTATIONS = (
    Mutation(
        "files-of-a-killed-creation-stay",
        f"{_UTILS}/_drivers/hyperv/observe.py",
        'if not mark.get("new") or is_temporary(raw["Name"]):',
        'if not mark.get("new"):',
        {"unit": _TASKS},
    ),
    Mutation(
        "base-of-linked-disks-starts",
        f"{_UTILS}/_drivers/hyperv/checks.py",
        "if others:",
        "if False:",
        {"unit": _TASKS},
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
        {"unit": _TASKS},
    ),
    Mutation(
        "part-that-cannot-be-read-is-left-out",
        f"{_UTILS}/_drivers/hyperv/reader.py",
        'if answer.error is not None and answer.error.id != "NothingKept":',
        "if False:",
        {"unit": _TASKS},
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
)
