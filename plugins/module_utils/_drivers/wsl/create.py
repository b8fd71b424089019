# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: create distributions: wsl.exe registers them; then they are configured like existing ones, and marked.

A clone is the export of its source, imported again. The temporary file is beside the new directory, and its name is
derived from that of the distribution, so that the next task finds and removes the file of an interrupted one.

Somebody else may register the name at any time. So a distribution counts as this task's own only if wsl.exe reported
success and it is in the directory of the task, and only such a distribution is marked or removed. The request that
registers it also marks it, so a distribution without a mark belongs to somebody else, whatever a killed task has left.
"""

from __future__ import annotations

import ntpath
from contextlib import suppress
from functools import partial

from ..._core.errors import CreatedMeanwhile, PolyvirtError, Timeout
from ..._core.planner.differences import additions
from ..._core.record.mark import IN_MARK, empty_mark, inputs_of, parsed, printed, unfinished_mark
from ..._kit.creation import undone_in_rounds
from ..._ports import permits
from ..._ports.windows import CallFailed, ConnectionLost
from ..._ports.windows_request import call, pick
from ..._tools.windows_files import key_of, removal
from ..._tools.wsl import (
    INSTALLED,
    INSTALLING,
    MARK,
    check,
    check_optional,
    disk_of,
    export_file,
    folder_of,
    guard,
    guard_of_files,
    is_path,
    mark_calls,
    named_in,
    registry_calls,
    set_value,
    unregister,
    wsl,
)
from .cloud_init import marked, remove_documents, write_documents
from .configure import apply_changes
from .images import check_version
from .power import pause_source, remove_task, resume_source
from .settings.storage import MANAGE
from .settings.table import mark_call

#: Options that the registration and the mark take.
_SET_AT_CREATION = ("version", "install_location", "description", *IN_MARK)
#: Seconds between two checks whether WSL has registered a distribution.
_PAUSE = 1


def create(driver, vm, step):
    source = step.arguments["creation"]["image"]["source"]
    yield from _create(driver, vm, step, _register_image(driver, vm, step, source))


def clone(driver, vm, step):
    source = step.arguments["source"]
    yield from _create(driver, vm, step, _register_copy(driver, vm, step, source))


def _create(driver, vm, step, registration):
    """Register the distribution, unless an interrupted task did, and complete it; undo both if one fails.

    ``registration`` is a generator of calls, like a step; it returns the registered distribution.
    """
    raw = yield from _found(driver, vm)
    if raw is not None and not driver.is_unfinished(raw):
        # Without the final mark, somebody else has replaced the distribution of this task.
        if not driver.creations.is_complete(vm.name.lower(), lambda _folder: _is_complete(raw)):
            raise CreatedMeanwhile(vm.name)
        return
    creation = _registered_and_completed(driver, vm, step, raw, registration)
    yield from undone_in_rounds(creation, partial(_undo, driver, vm, step), ConnectionLost)
    driver.creating.pop(vm.name.lower(), None)


def _registered_and_completed(driver, vm, step, raw, registration):
    # First, because an interrupted task may leave a distribution that is registered and not marked.
    yield from write_documents(driver, vm)
    if raw is None or raw.get("State") != INSTALLED:
        if driver.folders.get(vm.name.lower()):
            yield from driver.create_folder(vm, ntpath.dirname(step.arguments["config"]["install_location"]))
        raw = yield from registration
    yield from _complete(driver, vm, step, raw)


def _found(driver, vm):
    """Return the raw distribution with this name, or None. One that this task registers may not be complete yet.

    The service of WSL goes on if the connection is lost, and the answer with it.
    """
    clock = driver.windows.clock
    deadline = clock.now() + driver.call_timeout
    while True:
        raw = yield from driver.find(vm.name)
        if raw is None or raw.get("State") != INSTALLING or not driver.is_unfinished(raw):
            return raw
        if clock.now() >= deadline:
            message = f"{vm.name}: WSL has not registered the distribution in {driver.call_timeout} s."
            raise Timeout(message, driver.call_timeout, "Check wsl.exe --list --verbose, or raise call_timeout.")
        clock.sleep(_PAUSE)


def _is_complete(raw):
    """Return whether the distribution has its final mark: only the answer to the last request was lost."""
    return (parsed(raw.get(MARK)) or {}).get("id") == raw["PSChildName"]


def _complete(driver, vm, step, raw):
    """Copy the default user of a cloned source, apply the settings that remain, and at last write the final mark."""
    config, vm_id = step.arguments["config"], raw["PSChildName"]
    permits.created(disk_of(raw), key_of(disk_of(raw)))
    checks = guard(vm_id, raw["DistributionName"])
    inputs = inputs_of(step.arguments)
    source = driver.host.raw(inputs.get("clone"))
    if source and source.get("DefaultUid"):
        yield [*checks, set_value(vm_id, "DefaultUid", source["DefaultUid"])]
    driver.host.distros[vm_id.lower()] = raw
    yield from check_version(driver, vm, raw, step.arguments["creation"].get("image"))
    yield from apply_changes(driver, vm.having(id=vm_id), raw, _remaining_changes(driver, step))
    if step.verb == "clone":
        yield from resume_source(driver, step.arguments["source"])
    result = yield [removal([export_file(config["install_location"], vm.name)])]
    check_optional(result.answers)
    made = {**empty_mark(vm_id), "inputs": inputs, **marked(driver, vm.name)}
    yield [*checks, mark_call(vm_id, made, config)]


def _undo(driver, vm, step, error):
    """Remove what this task has created. Returns the error to raise if the distribution may be somebody else's.

    Such a distribution stays.
    """
    raw = yield from driver.find(vm.name)
    other = None if raw is None or driver.is_unfinished(raw) else raw
    if raw is None or other or driver.creations.id_of(vm.name.lower()):
        yield from _remove(driver, vm, step, None if other else raw)
    if step.verb == "clone":
        yield from resume_source(driver, step.arguments["source"])
    folder = step.arguments["config"]["install_location"]
    if other is None or key_of(folder_of(other)) != key_of(folder):
        return other and CreatedMeanwhile(vm.name)
    # wsl.exe failed, and may have registered it nevertheless; another task for the same name has the same directory.
    return PolyvirtError(
        f"{error.message.rstrip('.')}. But now there is a distribution with this name in {folder}; it was not removed,"
        " because another task may have registered it.",
        "Delete the distribution (state: absent, delete_disks: all), or set adopt: true to apply the options of the"
        " task to it.",
    )


def _remove(driver, vm, step, raw):
    """Remove the distribution, if there is one, and the file and the directories that were created for it."""
    if raw is not None:
        vm_id = raw["PSChildName"]
        calls = [*guard_of_files(raw), *remove_task(driver, vm.having(id=vm_id))]
        with permits.also([disk_of(raw)], [("vm", vm_id)]):  # A task has registered it, and has not completed it.
            calls.append(unregister(driver.host.file, vm_id, raw))
        yield calls
    file = export_file(step.arguments["config"]["install_location"], vm.name)
    yield [removal([file])]
    yield from remove_documents(marked(driver, vm.name))
    # Remove-Item fails for a directory that is not empty, because it cannot prompt.
    new = sorted(driver.folders.get(vm.name.lower(), ()), key=len, reverse=True)
    yield [call("Microsoft.PowerShell.Management\\Remove-Item", {"LiteralPath": [one]}, go_on=True) for one in new]


def _remaining_changes(driver, step):
    """Return the changes that the registration does not make. A clone lacks only the size of its source's disk."""
    config = {name: one for name, one in step.arguments["config"].items() if one is not None}
    if step.verb == "create":
        return additions({name: one for name, one in config.items() if name not in _SET_AT_CREATION})
    sizes = [disk.get("size") for disk in (config.get("disks") or {}).values()]
    has_size = any(sizes) and driver.host.version >= MANAGE
    return additions({"disks": config["disks"]}) if has_size else []


def _run_registration(driver, vm, step, arguments):
    """Register a distribution with wsl.exe, mark it as incomplete in the same request, and return it.

    If wsl.exe fails, a distribution with this name is somebody else's, so it gets no mark.
    """
    key, folder = vm.name.lower(), step.arguments["config"]["install_location"]
    driver.creating[key] = folder
    registering = wsl(driver.host.file, arguments, driver.call_timeout, keep="ended")
    marking = _mark_calls(driver, vm, step)
    try:
        result = yield [registering, pick("ended", "registered", conditions={"exit_code": 0}), *marking]
    except CallFailed as error:
        answer = error.result.answers[0]
        exit_code = answer.details.get("exit_code")
        if exit_code:
            del driver.creating[key]
        elif exit_code is None and answer.error is None:
            # The service of WSL goes on. By the mark, the next task completes what it registers in this directory.
            with suppress(PolyvirtError):
                yield marking
        if answer.error is None:
            check(answer, vm.name, " ".join(arguments[:2]))
            driver.creations.record(key, folder)
        if error.id != "NotOne":
            raise
        message = f"{vm.name}: WSL has not registered the distribution in {folder}."
        raise PolyvirtError(message, "Check wsl.exe --list --verbose.") from error
    driver.creations.record(key, folder)
    return named_in(result.answers[-len(marking) + 1], vm.name)


def _mark_calls(driver, vm, step):
    """Return the calls that mark the distribution of this task as incomplete. They fail if there is none."""
    folder, inputs = step.arguments["config"]["install_location"], inputs_of(step.arguments)
    mark = printed(unfinished_mark({**empty_mark(None), "inputs": inputs, **marked(driver, vm.name)}))
    return [*registry_calls(), *mark_calls(vm.name, folder, mark)]


def _register_image(driver, vm, step, source):
    config = step.arguments["config"]
    folder = config["install_location"]
    # WSL 2.4.4 to 2.4.7 ignore the default version with --from-file.
    options = ["--version", str(config.get("version") or driver.host.default_version)]
    file = ntpath.normpath(source)
    if not is_path(source) or source.lower().endswith(".wsl"):
        image = ["--from-file", file] if is_path(source) else [source]
        arguments = ["--install", *image, "--name", vm.name, "--location", folder, "--no-launch", *options]
    else:
        disk = ["--vhd"] if source.lower().endswith(".vhdx") else []
        arguments = ["--import", vm.name, folder, file, *options, *disk]
    return (yield from _run_registration(driver, vm, step, arguments))


def _register_copy(driver, vm, step, source):
    config = step.arguments["config"]
    folder, name = config["install_location"], driver.host.raw(source.id)["DistributionName"]
    file = export_file(folder, vm.name)
    before = [*guard(source.id, name), *pause_source(driver, source)]
    yield from driver.run(vm.name, ["--export", name, file], before)
    version = str(config.get("version") or 2)
    arguments = ["--import", vm.name, folder, file, "--version", version]
    return (yield from _run_registration(driver, vm, step, arguments))
