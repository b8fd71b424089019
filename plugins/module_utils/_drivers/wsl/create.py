# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create distributions: wsl.exe registers them; then they are configured like existing ones, and marked as complete.

A clone is the export of its source, imported again. The temporary file is beside the new directory, and its name is
derived from that of the distribution, so that the next task finds and removes the file of an interrupted one.
"""

from __future__ import annotations

import ntpath

from ..._lifecycle.differences import additions
from ..._lifecycle.errors import PolyvirtError, Refused
from ..._lifecycle.mark import IN_MARK, empty_mark, printed, with_settings
from ..._ports.windows import CallFailed, ConnectionLost
from ..._ports.windows_request import call
from ..._tools.windows_files import file_command
from ..._tools.wsl import INSTALLED, MARK, check, check_optional, export_file, guard, mark_calls, set_value, wsl
from .configure import apply_changes
from .power import pause_source, remove_task, resume_source
from .traits import MANAGE

#: Options that the registration and the mark take.
_SET_AT_CREATION = ("version", "install_location", *IN_MARK, "description")


def create(driver, vm, step):
    source = step.arguments["creation"]["image"]["source"]
    yield from _create(driver, vm, step, _register_image(driver, vm, step, source), {"image": source})


def clone(driver, vm, step):
    source = step.arguments["source"]
    yield from _create(driver, vm, step, _register_copy(driver, vm, step, source), {"clone": source.id})


def is_path(source):
    """Return whether an image is a file; otherwise it is a name in the online list."""
    return any(char in source for char in ("\\", "/", ":"))


def _create(driver, vm, step, registration, inputs):
    """Register the distribution, unless an interrupted task did, and complete it; undo both if one fails.

    ``registration`` is a generator of calls, like a step.
    """
    if vm.name.lower() in driver.created:
        return
    raw = yield from driver.named(vm.name)
    if raw is not None and not driver.is_unfinished(raw):
        raise Refused(
            f"{vm.name}: another task created a distribution with this name at the same time.",
            "Run the task again to apply its options to that distribution.",
        )
    driver.creating[vm.name.lower()] = step.arguments["config"]["install_location"]
    try:
        if raw is None or raw.get("State") != INSTALLED:
            yield from registration
            raw = yield from driver.named(vm.name)
        if raw is None or raw.get("State") != INSTALLED:
            message = f"{vm.name}: WSL has not registered the distribution."
            raise PolyvirtError(message, "Check wsl.exe --list --verbose.")
        yield from _complete(driver, vm, step, raw, inputs)
    except ConnectionLost:
        raise  # It is not known what was done; the core sends the step again.
    except PolyvirtError:
        yield from _undo(driver, vm, step)
        raise
    del driver.creating[vm.name.lower()]
    driver.created.add(vm.name.lower())


def _complete(driver, vm, step, raw, inputs):
    """Copy the default user of a cloned source, apply the settings that remain, and at last write the final mark."""
    config, vm_id = step.arguments["config"], raw["PSChildName"]
    checks = guard(vm_id, raw["DistributionName"])
    source = driver.host.raw(inputs.get("clone"))
    if source and source.get("DefaultUid"):
        yield [*checks, set_value(vm_id, "DefaultUid", source["DefaultUid"])]
    driver.host.distros[vm_id.lower()] = raw
    yield from apply_changes(driver, vm.having(id=vm_id), raw, _remaining_changes(driver, step))
    if step.verb == "clone":
        yield from resume_source(driver, step.arguments["source"])
    mark = with_settings({**empty_mark(vm_id), "inputs": inputs}, config)
    mark["description"] = config.get("description") or ""
    remove_export = file_command("Remove-Item", [export_file(config["install_location"], vm.name)], go_on=True)
    result = yield [remove_export]
    check_optional(result.answers)
    yield [*checks, set_value(vm_id, MARK, printed(mark))]


def _undo(driver, vm, step):
    """Remove what was created, as far as possible; the next task recognizes the rest by its mark."""
    folder = step.arguments["config"]["install_location"]
    try:
        raw = yield from driver.named(vm.name)
        if raw is not None and driver.is_unfinished(raw):
            name, vm_id = raw["DistributionName"], raw["PSChildName"]
            calls = [*guard(vm_id, name), *remove_task(driver, vm.having(id=vm_id))]
            yield [*calls, wsl(driver.host.file, ["--unregister", name])]
        yield [file_command("Remove-Item", [export_file(folder, vm.name)], go_on=True)]
        # Remove-Item fails for a directory that is not empty, because it cannot prompt.
        new = sorted(driver.folders.get(vm.name.lower(), ()), key=len, reverse=True)
        yield [call("Microsoft.PowerShell.Management\\Remove-Item", {"LiteralPath": [one]}, go_on=True) for one in new]
        if step.verb == "clone":
            yield from resume_source(driver, step.arguments["source"])
    except PolyvirtError:
        return


def _remaining_changes(driver, step):
    """Return the changes that the registration does not make. A clone lacks only the size of its source's disk."""
    config = {name: one for name, one in step.arguments["config"].items() if one is not None}
    if step.verb == "create":
        return additions({name: one for name, one in config.items() if name not in _SET_AT_CREATION})
    sizes = [disk.get("size") for disk in (config.get("disks") or {}).values()]
    has_size = any(sizes) and driver.host.version >= MANAGE
    return additions({"disks": config["disks"]}) if has_size else []


def _run_registration(driver, vm, folder, arguments):
    """Register a distribution with wsl.exe. The same request marks it as incomplete."""
    directory = {"Path": [ntpath.dirname(folder)], "ItemType": "Directory", "Force": True}
    new_folder = (
        [call("Microsoft.PowerShell.Management\\New-Item", directory)] if driver.folders.get(vm.name.lower()) else []
    )
    mark = {**empty_mark(None), "new": True, "making": [vm.name]}
    calls = [*new_folder, wsl(driver.host.file, arguments, driver.call_timeout)]
    try:
        result = yield [*calls, *mark_calls(vm.name, printed(mark))]
    except CallFailed as error:
        if len(error.result.answers) > len(calls):
            check(error.result.answers[len(new_folder)], vm.name, " ".join(arguments[:2]))
        raise
    check(result.answers[len(new_folder)], vm.name, " ".join(arguments[:2]))


def _register_image(driver, vm, step, source):
    config = step.arguments["config"]
    folder, version = config["install_location"], config.get("version")
    options = ["--version", str(version)] if version else []
    file = ntpath.normpath(source)
    if not is_path(source) or source.lower().endswith(".wsl"):
        image = ["--from-file", file] if is_path(source) else [source]
        arguments = ["--install", *image, "--name", vm.name, "--location", folder, "--no-launch", *options]
    else:
        disk = ["--vhd"] if source.lower().endswith(".vhdx") else []
        arguments = ["--import", vm.name, folder, file, *options, *disk]
    yield from _run_registration(driver, vm, folder, arguments)


def _register_copy(driver, vm, step, source):
    config = step.arguments["config"]
    folder, name = config["install_location"], driver.host.raw(source.id)["DistributionName"]
    file = export_file(folder, vm.name)
    directory = {"Path": [ntpath.dirname(folder)], "ItemType": "Directory", "Force": True}
    before = [call("Microsoft.PowerShell.Management\\New-Item", directory)]
    before += [*guard(source.id, name), *pause_source(driver, source)]
    yield from driver.run(vm.name, ["--export", name, file], before)
    version = str(config.get("version") or 2)
    yield from _run_registration(driver, vm, folder, ["--import", vm.name, folder, file, "--version", version])
