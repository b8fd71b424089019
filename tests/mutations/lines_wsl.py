# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the driver of WSL, and of its tools."""

from __future__ import annotations

from mutations.mutation import Mutation

_TASKS = ("tests/platforms/wsl/test_tasks.py",)
_INTERRUPTED = (
    "tests/suite/test_generated_pairs.py::test_check_mode_predicts_the_real_run[wsl]",
    "tests/suite/test_killed.py::test_story_that_is_killed[wsl]",
)
_DIRECTORIES = ("tests/platforms/wsl/test_directories.py",)
_IMAGES = ("tests/platforms/wsl/test_images.py",)
_FILES = "tests/platforms/wsl/test_image_files.py"
_OTHERS = ("tests/platforms/wsl/test_names_of_others.py",)
_SETTINGS = ("tests/platforms/wsl/test_settings.py",)

MUTATIONS = (
    Mutation(
        "reading-in-a-distribution-counts-as-a-change",
        "_drivers/wsl/configure.py",
        "in_shell(driver.host.file, distro.name, script, reads=True)",
        "in_shell(driver.host.file, distro.name, script)",
        _SETTINGS,
    ),
    Mutation(
        "stopping-again-counts-as-a-change",
        "_drivers/wsl/configure.py",
        "[wsl(driver.host.file, ['--terminate', name], reads=True)]",
        "[wsl(driver.host.file, ['--terminate', name])]",
        _SETTINGS,
    ),
    Mutation(
        "large-files-are-returned",
        "_drivers/wsl",
        'f"if {too_large}; then echo $file has more than {_LARGEST} bytes; exit 1; fi"',
        'f"if {too_large}; then echo $file has more than {_LARGEST} bytes; fi"',
        _TASKS,
    ),
    Mutation(
        "sizes-are-compared-as-texts",
        "_drivers/wsl",
        "size_of(current) == size_of(value)",
        "current == value",
        ("tests/platforms/wsl/test_host_settings.py",),
    ),
    Mutation(
        "directory-that-is-not-created-is-no-error",
        "_tools",
        "answer.error is None and not answer.objects",
        "False",
        _DIRECTORIES,
    ),
    Mutation(
        "file-in-the-way-is-no-error", "_tools", "if are_files.get(path):\n    ...", "if False:\n    ...", _DIRECTORIES
    ),
    Mutation(
        "distribution-of-a-killed-creation-counts",
        "_drivers/wsl/observe.py",
        "is_unfinished(mark)",
        "False",
        (*_TASKS, *_INTERRUPTED),
    ),
    Mutation(
        "file-of-a-clone-hides-distributions-of-others",
        "_drivers/wsl",
        "folder is not None and key_of(folder_of(raw)) == key_of(folder)",
        "folder is not None",
        _OTHERS,
    ),
    Mutation(
        "distribution-of-others-is-marked",
        "_tools",
        '{"DistributionName": name, "BasePath": [folder, f"{_LONG_PATH}{folder}"]}',
        '{"DistributionName": name}',
        _OTHERS,
    ),
    Mutation(
        "distribution-of-others-is-unregistered",
        "_drivers/wsl",
        "raw is None or other or driver.creations.id_of(vm.name.lower())",
        "True",
        _OTHERS,
    ),
    Mutation(
        "registration-is-not-awaited",
        "_drivers/wsl",
        'raw is None or raw.get("State") != INSTALLING or not driver.is_unfinished(raw)',
        "True",
        _OTHERS,
    ),
    Mutation("virtual-disk-is-overwritten", "_drivers/wsl::is_leftover", "item.option == _EXPORT", "True", _TASKS),
    Mutation(
        "clone-stops-a-source-that-was-started",
        "_drivers/wsl",
        "source is not None and source.config.get(_FOLDER)",
        "False",
        _DIRECTORIES,
    ),
    Mutation(
        "directory-of-a-deleted-distribution-stays-taken",
        "_drivers/wsl",
        "yield DELETE, _FOLDER, folder",
        "return",
        _DIRECTORIES,
    ),
    Mutation(
        "space-is-not-checked",
        "_drivers/wsl",
        "self._sizes.get(item.path, 0) * (2 if item.purpose == COPIED else 1)",
        "0",
        _TASKS,
    ),
    Mutation(
        "replaced-distribution-is-changed",
        "_drivers/wsl",
        'raw is None or raw["PSChildName"].lower() != vm.id.lower()',
        "raw is None",
        _TASKS,
    ),
    Mutation(
        "stopped-distribution-keeps-running",
        "_drivers/wsl",
        '[wsl(driver.host.file, ["--terminate", _], reads=True)]',
        "[]",
        _TASKS,
    ),
    Mutation(
        "task-starts-it-again",
        "_drivers/wsl",
        'before += [task_call("Disable", vm.id), task_call("Stop", vm.id)]',
        "pass",
        _TASKS,
    ),
    Mutation(
        "source-of-a-clone-stays-stopped", "_drivers/wsl", "driver.sources_to_start.add(source.id)", "pass", _TASKS
    ),
    Mutation(
        "file-of-a-clone-stays",
        "_drivers/wsl",
        'file_command("Remove-Item", [export_file(config["install_location"], vm.name)], go_on=True)',
        'file_command("Test-Path", [config["install_location"]], go_on=True)',
        (*_TASKS, *_INTERRUPTED),
    ),
    Mutation(
        "version-of-an-online-name-is-not-compared",
        "_drivers/wsl",
        "if not version:\n    ...",
        "if True:\n    ...",
        _IMAGES,
    ),
    Mutation(
        "version-is-compared-as-a-prefix",
        "_drivers/wsl",
        'f"{found}.".startswith(f"{version}.")',
        "found.startswith(version)",
        _IMAGES,
    ),
    Mutation(
        "stated-version-is-compared",
        "_drivers/wsl",
        'None if is_stated else asked["catalogue"].get("version")',
        'asked["catalogue"].get("version")',
        _IMAGES,
    ),
    Mutation(
        "name-that-the-online-list-lacks-is-installed",
        "_drivers/wsl",
        'known is None or one["image"]["online_name"].lower() in known',
        "True",
        _IMAGES,
    ),
    Mutation(
        "file-is-preferred-to-the-online-list",
        "_drivers/wsl",
        "_has(online, names) or not files",
        "not files",
        [f"{_FILES}::test_online_list_is_preferred_if_the_host_has_the_name_in_it"],
    ),
    Mutation(
        "begun-distribution-takes-a-newer-image",
        "_drivers/wsl",
        "_begun(self._driver, request)",
        "None",
        [f"{_FILES}::test_unfinished_distribution_is_completed_as_it_began"],
    ),
    Mutation(
        "option-of-a-download-is-ignored",
        "_drivers/wsl",
        "asked.get(option)",
        "False",
        [f"{_IMAGES[0]}::test_option_of_a_download_is_rejected_for_a_name_of_the_list"],
    ),
    Mutation(
        "image-of-another-platform-is-removed",
        "_media/windows/store.py",
        "one[: -len(RECORD)].lower().endswith(self._endings)",
        "True",
        [f"{_FILES}::test_images_of_hyperv_in_the_same_directory_are_not_those_of_wsl"],
    ),
    Mutation(
        "copy-of-another-platform-is-removed",
        "_media/windows/store.py",
        "of and of.lower().endswith(self._endings)",
        "of",
        [f"{_FILES}::test_images_of_hyperv_in_the_same_directory_are_not_those_of_wsl"],
    ),
    Mutation(
        "web-page-passes-for-an-archive",
        "_media/images.py",
        "unpack.is_archive(content)",
        "True",
        [f"{_FILES}::test_address_that_cannot_be_used_is_rejected"],
    ),
)
