# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check before the first step whether the host has what a plan needs: files, directories, space, a recent WSL."""

from __future__ import annotations

import ntpath

from ..._core.claims import FILE
from ..._core.errors import NotFound, Refused, Unsupported
from ..._core.model import Vm
from ..._core.planned import planned
from ..._ports.windows_request import Chain, call, properties
from ..._tools.windows_files import check_no_file, file_command, files_test, key_of, parents_of, windows_path
from ..._tools.wsl import disk_of, online_call, read_online
from .configure import EXPORTS
from .create import is_path
from .settings.storage import FORMATS, MANAGE
from .traits import check_version

_ENDINGS = (".tar", ".tar.gz", ".tar.xz", ".vhdx")


def check_plan(driver, plan, released=frozenset()):
    """Raise if the plan would fail. ``released`` are the claims that earlier plans of the task let go of."""
    left = {identity[1] for kind, identity in released if kind == FILE}
    for one in planned(plan):
        values = {change.field: change.new for change in one.changes}
        if one.step.verb in ("create", "clone"):
            _check_creation(driver, plan.after.name, one.step, left)
        elif values.get("install_location"):
            _check_move(driver, one.vm, values["install_location"], left)
        if values.get("export"):
            _check_export(driver, one.vm.name, values["export"])


def _check_move(driver, vm, folder, left):
    root, disk = _root(folder), ntpath.join(folder, ntpath.basename(disk_of(driver.host.raw(vm.id))))
    has_root, has_disk = _exist(driver, vm.name, [root, disk])
    _check_drive(vm.name, folder, has_root)
    folders = [folder, *parents_of(folder)]
    (result,) = driver.send([Chain(vm.name, (files_test(folders),))])
    check_no_file(f"{vm.name}: install_location", folder, dict(zip(folders, result.answers[0].objects)))
    _check_empty(vm.name, folder, has_disk, left)


def _check_empty(name, folder, has_disk, left):
    """Raise Refused if a directory has a virtual disk; ``left``: keys of the directories that others leave before."""
    if has_disk and key_of(folder) not in left:
        raise Refused(
            f"{name}: install_location: {folder} has a virtual disk already, and existing files are never overwritten.",
            "Set another directory, or remove the file.",
        )


def _check_creation(driver, name, step, left):
    config = step.arguments["config"]
    folder = config["install_location"]
    existing = driver.host.named(name)
    if existing is not None and driver.is_unfinished(existing):
        return  # An interrupted task has registered it already; it is only completed.
    file, needed = _source_files(driver, name, step)
    parents = parents_of(folder)
    paths = [*needed, *parents, f"{folder}\\ext4.vhdx", _root(folder)]
    calls = [file_command("Test-Path", paths, show=properties("Length"))]
    shown = properties("Length")
    calls += [file_command("Get-Item", [path], show=shown, go_on=True) for path in needed]
    calls.append(files_test([folder, *parents]))
    calls.append(call("Storage\\Get-Volume", {"FilePath": folder[:3]}, show=properties("SizeRemaining"), go_on=True))
    (result,) = driver.send([Chain(name, tuple(calls))])
    if result.answers[0].error is not None:
        raise result.answers[0].error
    exists = dict(zip(paths, result.answers[0].objects))
    if file and not exists[file]:
        raise NotFound(f"{name}: image.source: {file} does not exist on the host.", "Correct the path.")
    _check_drive(name, folder, exists[_root(folder)])
    check_no_file(f"{name}: install_location", folder, dict(zip([folder, *parents], result.answers[-2].objects)))
    _check_empty(name, folder, exists[f"{folder}\\ext4.vhdx"], left)
    driver.folders[name.lower()] = [path for path in parents if not exists[path]]
    sizes = [one.get("Length") or 0 for answer in result.answers[1 : 1 + len(needed)] for one in answer.objects]
    _check_space(driver, name, folder, result.answers[-1], sum(sizes) * (2 if step.verb == "clone" else 1))


def _source_files(driver, name, step):
    """Return (file of the image or None, the files that are read for the new distribution)."""
    if step.verb == "clone":
        source = driver.host.raw(step.arguments["source"].id) if step.arguments["source"].id else None
        return None, [disk_of(source)] if source else []  # The same task may create the source first.
    config, source = step.arguments["config"], step.arguments["creation"]["image"]["source"]
    check_version(name, config.get("version") or driver.host.root.get("DefaultVersion"), config, source)
    file = _file_of_image(driver, name, source)
    if not file:
        _check_online(driver, name, source)
    return file, [file] if file else []


def _file_of_image(driver, name, source):
    """Return the file to create a distribution from; None if ``source`` is a name in the online list."""
    is_file = is_path(source)
    if source.lower().endswith(".vhd"):
        raise Refused(f"{name}: image.source: '{source}' is not a VHDX file.", "Convert it with Convert-VHD.")
    if not is_file and ntpath.splitext(source)[1].lower() in (".tar", ".gz", ".xz", ".vhdx", ".wsl"):
        raise Refused(f"{name}: image.source: '{source}' is not an absolute path on Windows.", "Set the full path.")
    if (not is_file or source.lower().endswith(".wsl")) and driver.host.version < MANAGE:
        needed = ".".join(map(str, MANAGE))
        raise Unsupported(
            f"{name}: image.source: '{source}' needs WSL {needed} or later.",
            "Update WSL, or set the path of a tarball.",
        )
    return windows_path(Vm(name), "image.source", source) if is_file else None


def _check_online(driver, name, source):
    """Raise NotFound if the online list lacks this name. If the list cannot be read, the installation reports it."""
    (result,) = driver.send([Chain(name, (online_call(driver.host.file),))])
    names = read_online(result.answers[0])
    if names and source.lower() not in map(str.lower, names):
        raise NotFound(f"{name}: image.source: '{source}' is not in the online list.", f"It has {', '.join(names)}.")


def _root(folder):
    """Return the root directory of the drive of a directory."""
    return ntpath.splitdrive(folder)[0] + "\\"


def _check_drive(name, folder, exists):
    """Raise NotFound if the host does not have the drive; it is unknown if the directory is on a file server."""
    if not exists and not folder.startswith("\\\\"):
        drive = ntpath.splitdrive(folder)[0]
        raise NotFound(f"{name}: install_location: the host has no drive {drive}.", "Set another directory.")


def _check_space(driver, name, folder, answer, needed):
    """Raise Refused without enough free space; it is unknown if the directory is on a file server."""
    free = answer.objects[0].get("SizeRemaining") if answer.error is None and answer.objects else None
    drive = ntpath.splitdrive(folder)[0].upper()
    alternative = "set install_location to a directory of another drive"
    driver.space.reserve(name, "install_location", drive, needed, free, alternative)


def _check_export(driver, name, path):
    extension = ntpath.splitext(path)[1].lower()
    if not path.lower().endswith(_ENDINGS) or extension not in EXPORTS:
        raise Refused(f"{name}: export: the name of the file ends with none of {', '.join(_ENDINGS)}.", "Rename it.")
    if extension in (".gz", ".xz") and driver.host.version < FORMATS:
        needed = ".".join(map(str, FORMATS))
        raise Unsupported(f"{name}: export: compressed files need WSL {needed} or later.", "Update WSL, or use .tar.")
    folder = ntpath.dirname(path)
    if not all(_exist(driver, name, [folder])):
        raise NotFound(f"{name}: export: the directory {folder} does not exist on the host.", "Create it.")


def _exist(driver, name, paths):
    """Return for each path whether it exists."""
    (result,) = driver.send([Chain(name, (file_command("Test-Path", paths, show=properties("Length")),))])
    return [bool(one) for one in result.answers[0].objects] or [False] * len(paths)
