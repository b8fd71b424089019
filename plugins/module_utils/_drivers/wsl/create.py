# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating distributions: registered by wsl.exe, then marked and configured like any other.

A clone is the import of an export. Its file is beside the new directory, under a name that follows from that of the
distribution: so the next task finds and removes what a killed one has left.
"""

from __future__ import annotations

import ntpath

from ..._lifecycle.differences import additions
from ..._lifecycle.errors import PolyvirtError, Refused
from ..._lifecycle.mark import empty_mark, printed
from ..._ports.windows_request import call
from ..._tools.windows_files import file_command, key_of
from ..._tools.wsl import INSTALLED, MARK, folder_of, guard, set_value
from .configure import apply_changes
from .power import pause_source, resume_source

_OF_CREATION = ("version", "install_location")


def create(driver, vm, step):
    source = step.arguments["creation"]["image"]["source"]
    yield from _made(driver, vm, step, lambda: _register(driver, vm, step, source), {"image": source})


def clone(driver, vm, step):
    source = step.arguments["source"]
    yield from _made(driver, vm, step, lambda: _copy(driver, vm, step, source), {"clone": source.id})
    yield from resume_source(driver, source)


def export_file(folder, name):
    """The file through which a distribution is cloned into a directory."""
    return f"{ntpath.dirname(folder)}\\{name}.polyvirt.tar"


def _made(driver, vm, step, register, inputs):
    config = step.arguments["config"]
    folder = config["install_location"]
    raw = yield from driver.named(vm.name)
    if raw is None or not _is_ours(driver, vm, raw):
        if raw is not None:
            raise Refused(
                f"{vm.name}: another task created a distribution with this name at the same time.",
                "Run the task again to apply its options to that distribution.",
            )
        driver.creating[vm.name.lower()] = folder
        yield from register()
        raw = yield from driver.named(vm.name)
    if raw is None or raw.get("State") != INSTALLED:
        raise PolyvirtError(f"{vm.name}: WSL has not registered the distribution.", "Check wsl.exe --list --verbose.")
    yield from _complete(driver, vm, step, raw, inputs)


def _is_ours(driver, vm, raw):
    """Whether this task has begun to create it: the step was sent before."""
    folder = driver.creating.get(vm.name.lower())
    return folder is not None and key_of(folder) == key_of(folder_of(raw))


def _complete(driver, vm, step, raw, inputs):
    """The mark, and what the user of a source was; then all settings that the registration does not take."""
    config, vm_id = step.arguments["config"], raw["PSChildName"]
    mark = {**empty_mark(vm_id), "inputs": inputs, "tags": list(config.get("tags") or ())}
    mark["description"] = config.get("description") or ""
    calls = [*guard(vm_id, raw["DistributionName"]), set_value(vm_id, MARK, printed(mark))]
    source = driver.host.raw(inputs.get("clone"))
    if source and source.get("DefaultUid"):
        calls.append(set_value(vm_id, "DefaultUid", source["DefaultUid"]))
    yield calls
    if step.verb == "create":
        known = (*_OF_CREATION, "tags", "description")
        changes = additions({name: one for name, one in config.items() if one is not None and name not in known})
        driver.host.distros[vm_id.lower()] = raw
        yield from apply_changes(driver, vm.having(id=vm_id, power="stopped"), raw, changes)


def _register(driver, vm, step, source):
    config = step.arguments["config"]
    folder, version = config["install_location"], config.get("version")
    options = ["--version", str(version)] if version else []
    if "\\" not in source:
        words = ["--install", source, "--name", vm.name, "--location", folder, "--no-launch", *options]
    elif source.lower().endswith(".wsl"):
        words = ["--install", "--from-file", source, "--name", vm.name, "--location", folder, "--no-launch", *options]
    else:
        disk = ["--vhd"] if source.lower().endswith((".vhdx", ".vhd")) else []
        words = ["--import", vm.name, folder, source, *options, *disk]
    yield from _in_new_folder(driver, vm, folder, lambda: driver.run(vm.name, words))


def _copy(driver, vm, step, source):
    config = step.arguments["config"]
    folder = config["install_location"]
    file = export_file(folder, vm.name)
    words = ["--import", vm.name, folder, file, "--version", str(config.get("version") or 2)]

    def copied():
        name = driver.host.raw(source.id)["DistributionName"]
        before = [*guard(source.id, name), *pause_source(driver, source)]
        try:
            yield from driver.run(vm.name, ["--export", name, file], before)
            yield from driver.run(vm.name, words)
        except PolyvirtError:
            yield [file_command("Remove-Item", [file], go_on=True)]
            yield from resume_source(driver, source)
            raise
        yield [file_command("Remove-Item", [file], go_on=True)]

    yield from _in_new_folder(driver, vm, folder, copied)


def _in_new_folder(driver, vm, folder, register):
    """``register`` with the directory above it, which is removed again if nothing could be created in it."""
    new = driver.folders.get(vm.name.lower(), ())
    if new:
        directory = {"Path": [ntpath.dirname(folder)], "ItemType": "Directory", "Force": True}
        yield [call("Microsoft.PowerShell.Management\\New-Item", directory)]
    try:
        yield from register()
    except PolyvirtError:
        # A directory that is not empty by now is not removed: the command would ask.
        yield from _removed(new)
        raise


def _removed(folders):
    if folders:
        yield [_remove_empty(one) for one in sorted(folders, key=len, reverse=True)]


def _remove_empty(folder):
    return call("Microsoft.PowerShell.Management\\Remove-Item", {"LiteralPath": [folder]}, go_on=True)
