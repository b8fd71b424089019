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
from ..._lifecycle.mark import IN_MARK, empty_mark, printed, with_settings
from ..._ports.windows import CallFailed, ConnectionLost
from ..._ports.windows_request import call
from ..._tools.windows_files import file_command
from ..._tools.wsl import INSTALLED, MARK, check, check_optional, export_file, guard, mark_calls, set_value, wsl
from .configure import apply_changes
from .power import pause_source, remove_task, resume_source
from .traits import MANAGE

_OF_CREATION = ("version", "install_location", *IN_MARK, "description")


def create(driver, vm, step):
    source = step.arguments["creation"]["image"]["source"]
    yield from _made(driver, vm, step, _register(driver, vm, step, source), {"image": source})


def clone(driver, vm, step):
    source = step.arguments["source"]
    yield from _made(driver, vm, step, _copy(driver, vm, step, source), {"clone": source.id})


def is_path(source):
    """Whether an image is a file; else it is a name of the online list."""
    return any(sign in source for sign in ("\\", "/", ":"))


def _made(driver, vm, step, register, inputs):
    """Register the distribution, if that was not done before, and complete it. A failure undoes both."""
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
            yield from register
            raw = yield from driver.named(vm.name)
        if raw is None or raw.get("State") != INSTALLED:
            message = f"{vm.name}: WSL has not registered the distribution."
            raise PolyvirtError(message, "Check wsl.exe --list --verbose.")
        yield from _complete(driver, vm, step, raw, inputs)
    except ConnectionLost:
        raise  # Nobody knows what was done: the step is sent again.
    except PolyvirtError:
        yield from _undone(driver, vm, step)
        raise
    del driver.creating[vm.name.lower()]
    driver.created.add(vm.name.lower())


def _complete(driver, vm, step, raw, inputs):
    """What the user of a source was, and all settings that the registration does not take; at last the mark."""
    config, vm_id = step.arguments["config"], raw["PSChildName"]
    guarded = guard(vm_id, raw["DistributionName"])
    source = driver.host.raw(inputs.get("clone"))
    if source and source.get("DefaultUid"):
        yield [*guarded, set_value(vm_id, "DefaultUid", source["DefaultUid"])]
    driver.host.distros[vm_id.lower()] = raw
    yield from apply_changes(driver, vm.having(id=vm_id), raw, _changes_of_new(driver, step))
    if step.verb == "clone":
        yield from resume_source(driver, step.arguments["source"])
    mark = with_settings({**empty_mark(vm_id), "inputs": inputs}, config)
    mark["description"] = config.get("description") or ""
    leftover = file_command("Remove-Item", [export_file(config["install_location"], vm.name)], go_on=True)
    result = yield [leftover]
    check_optional(result.answers)
    yield [*guarded, set_value(vm_id, MARK, printed(mark))]


def _undone(driver, vm, step):
    """Remove what was created, as far as possible; the next task finds the rest by its mark."""
    folder = step.arguments["config"]["install_location"]
    try:
        raw = yield from driver.named(vm.name)
        if raw is not None and driver.is_unfinished(raw):
            name, vm_id = raw["DistributionName"], raw["PSChildName"]
            calls = [*guard(vm_id, name), *remove_task(driver, vm.having(id=vm_id))]
            yield [*calls, wsl(driver.host.file, ["--unregister", name])]
        yield [file_command("Remove-Item", [export_file(folder, vm.name)], go_on=True)]
        # A directory that is not empty is not removed: the command would ask.
        new = sorted(driver.folders.get(vm.name.lower(), ()), key=len, reverse=True)
        yield [call("Microsoft.PowerShell.Management\\Remove-Item", {"LiteralPath": [one]}, go_on=True) for one in new]
        if step.verb == "clone":
            yield from resume_source(driver, step.arguments["source"])
    except PolyvirtError:
        return


def _changes_of_new(driver, step):
    """What is left to be done to a new distribution. A clone has all but the size of the disk of its source."""
    config = {name: one for name, one in step.arguments["config"].items() if one is not None}
    if step.verb == "create":
        return additions({name: one for name, one in config.items() if name not in _OF_CREATION})
    sizes = [disk.get("size") for disk in (config.get("disks") or {}).values()]
    has_size = any(sizes) and driver.host.version >= MANAGE
    return additions({"disks": config["disks"]}) if has_size else []


def _registering(driver, vm, folder, words):
    """The round that registers a distribution. In the same request it gets a mark that it is not complete."""
    directory = {"Path": [ntpath.dirname(folder)], "ItemType": "Directory", "Force": True}
    above = (
        [call("Microsoft.PowerShell.Management\\New-Item", directory)] if driver.folders.get(vm.name.lower()) else []
    )
    mark = {**empty_mark(None), "new": True, "making": [vm.name]}
    calls = [*above, wsl(driver.host.file, words, driver.call_timeout)]
    try:
        result = yield [*calls, *mark_calls(vm.name, printed(mark))]
    except CallFailed as error:
        if len(error.result.answers) > len(calls):
            check(error.result.answers[len(above)], vm.name, " ".join(words[:2]))
        raise
    check(result.answers[len(above)], vm.name, " ".join(words[:2]))


def _register(driver, vm, step, source):
    config = step.arguments["config"]
    folder, version = config["install_location"], config.get("version")
    options = ["--version", str(version)] if version else []
    file = ntpath.normpath(source)
    if not is_path(source) or source.lower().endswith(".wsl"):
        what = ["--from-file", file] if is_path(source) else [source]
        words = ["--install", *what, "--name", vm.name, "--location", folder, "--no-launch", *options]
    else:
        disk = ["--vhd"] if source.lower().endswith((".vhdx", ".vhd")) else []
        words = ["--import", vm.name, folder, file, *options, *disk]
    yield from _registering(driver, vm, folder, words)


def _copy(driver, vm, step, source):
    config = step.arguments["config"]
    folder, name = config["install_location"], driver.host.raw(source.id)["DistributionName"]
    file = export_file(folder, vm.name)
    directory = {"Path": [ntpath.dirname(folder)], "ItemType": "Directory", "Force": True}
    before = [call("Microsoft.PowerShell.Management\\New-Item", directory)]
    before += [*guard(source.id, name), *pause_source(driver, source)]
    yield from driver.run(vm.name, ["--export", name, file], before)
    version = str(config.get("version") or 2)
    yield from _registering(driver, vm, folder, ["--import", vm.name, folder, file, "--version", version])
