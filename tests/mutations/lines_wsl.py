# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the driver of WSL, and of its tools."""

from __future__ import annotations

from mutations.mutation import Mutation

_UTILS = "plugins/module_utils"
_TASKS = ("tests/platforms/wsl/test_tasks.py",)
_INTERRUPTED = ("tests/platforms/wsl/test_interrupted.py",)
_DIRECTORIES = ("tests/platforms/wsl/test_directories.py",)
_OTHERS = ("tests/platforms/wsl/test_names_of_others.py",)

MUTATIONS = (
    Mutation(
        "large-files-are-returned",
        f"{_UTILS}/_drivers/wsl/settings/guest_files.py",
        'check_size = f"if {too_large}; then echo $file has more than {_LARGEST} bytes; exit 1; fi"',
        'check_size = f"if {too_large}; then echo $file has more than {_LARGEST} bytes; fi"',
        {"unit": _TASKS},
    ),
    Mutation(
        "sizes-are-compared-as-texts",
        f"{_UTILS}/_drivers/wsl/host_plan.py",
        "return size_of(current) == size_of(value)",
        "return current == value",
        {"unit": ("tests/platforms/wsl/test_host_settings.py",)},
    ),
    Mutation(
        "directory-that-is-not-created-is-no-error",
        f"{_UTILS}/_tools/windows_files.py",
        "if answer.error is None and not answer.objects:",
        "if False:",
        {"unit": _DIRECTORIES},
    ),
    Mutation(
        "file-in-the-way-is-no-error",
        f"{_UTILS}/_tools/windows_files.py",
        "if are_files.get(path):",
        "if False:",
        {"unit": _DIRECTORIES},
    ),
    Mutation(
        "distribution-of-a-killed-creation-counts",
        f"{_UTILS}/_drivers/wsl/observe.py",
        'return bool(mark.get("making"))',
        "return False",
        {"unit": (*_TASKS, *_INTERRUPTED)},
    ),
    Mutation(
        "file-of-a-clone-hides-distributions-of-others",
        f"{_UTILS}/_drivers/wsl/observe.py",
        "return folder is not None and key_of(folder_of(raw)) == key_of(folder)",
        "return folder is not None",
        {"unit": _OTHERS},
    ),
    Mutation(
        "distribution-of-others-is-marked",
        f"{_UTILS}/_tools/wsl.py",
        'pick("distros", "new", conditions={"DistributionName": name, "BasePath": [folder, f"{_LONG_PATH}{folder}"]}),',
        'pick("distros", "new", conditions={"DistributionName": name}),',
        {"unit": _OTHERS},
    ),
    Mutation(
        "distribution-of-others-is-unregistered",
        f"{_UTILS}/_drivers/wsl/create.py",
        "if raw is None or other or vm.name.lower() in driver.registered_here:",
        "if True:",
        {"unit": _OTHERS},
    ),
    Mutation(
        "registration-is-not-awaited",
        f"{_UTILS}/_drivers/wsl/create.py",
        'if raw is None or raw.get("State") != INSTALLING or not driver.is_unfinished(raw):',
        "if True:",
        {"unit": _OTHERS},
    ),
    Mutation(
        "virtual-disk-is-overwritten",
        f"{_UTILS}/_drivers/wsl/checks.py",
        "if has_disk and key_of(folder) not in left:",
        "if False:",
        {"unit": _TASKS},
    ),
    Mutation(
        "clone-stops-a-source-that-was-started",
        f"{_UTILS}/_drivers/wsl/claims.py",
        "if source is not None and source.config.get(_FOLDER):",
        "if False:",
        {"unit": _DIRECTORIES},
    ),
    Mutation(
        "directory-of-a-deleted-distribution-stays-taken",
        f"{_UTILS}/_drivers/wsl/claims.py",
        "yield DELETE, _FOLDER, folder",
        "return",
        {"unit": _DIRECTORIES},
    ),
    Mutation(
        "space-is-not-checked",
        f"{_UTILS}/_drivers/wsl/checks.py",
        'driver.space.reserve(name, "install_location", drive, needed, free, alternative)',
        "pass",
        {"unit": _TASKS},
    ),
    Mutation(
        "replaced-distribution-is-changed",
        f"{_UTILS}/_drivers/wsl/driver.py",
        'if raw is None or raw["PSChildName"].lower() != vm.id.lower():',
        "if raw is None:",
        {"unit": _TASKS},
    ),
    Mutation(
        "stopped-distribution-keeps-running",
        f"{_UTILS}/_drivers/wsl/configure.py",
        'stopping = [wsl(driver.host.file, ["--terminate", distro.name])]',
        "stopping = []",
        {"unit": _TASKS},
    ),
    Mutation(
        "task-starts-it-again",
        f"{_UTILS}/_drivers/wsl/power.py",
        'before += [task_call("Disable", vm.id), task_call("Stop", vm.id)]',
        "pass",
        {"unit": _TASKS},
    ),
    Mutation(
        "source-of-a-clone-stays-stopped",
        f"{_UTILS}/_drivers/wsl/power.py",
        "driver.sources_to_start.add(source.id)",
        "pass",
        {"unit": _TASKS},
    ),
    Mutation(
        "file-of-a-clone-stays",
        f"{_UTILS}/_drivers/wsl/create.py",
        'remove_export = file_command("Remove-Item", [export_file(config["install_location"], vm.name)], go_on=True)',
        'remove_export = file_command("Test-Path", [config["install_location"]], go_on=True)',
        {"unit": (*_TASKS, *_INTERRUPTED)},
    ),
)
