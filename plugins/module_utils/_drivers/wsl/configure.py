# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: change and delete distributions: first changes that need a stopped one, then files in it, then the rest."""

from __future__ import annotations

import ntpath

from ..._core.errors import NotFound, PolyvirtError, Refused, Stale
from ..._core.record.mark import IN_MARK, parsed
from ..._kit.settings import in_order
from ..._ports import permits
from ..._ports.windows import CallFailed
from ..._ports.windows_request import call, pick, read_part
from ..._tools import wsl_conf
from ..._tools.windows_files import key_of, removal
from ..._tools.wsl import (
    MARK,
    check,
    check_optional,
    decoded,
    export_file,
    folder_of,
    guard,
    guard_of_files,
    in_shell,
    is_whole,
    set_value,
    stamp_calls,
    stamp_in,
    unregister,
    whole_call,
    wsl,
)
from .cloud_init import remove_documents
from .distro import COPY, Distro
from .power import keep_calls, remove_task
from .settings.guest_files import CONF, GUEST, READ_CONF, add_user_script, find_user_script, write_conf_script
from .settings.storage import OTHER_NAME, STORAGE
from .settings.table import mark_call

#: HRESULTs of Windows for a file that exists already.
_EXISTS = {0x80070050, 0x800700B7}
_AGAIN = "Run the task again."
#: The last bytes of a tar archive.
_END = bytes(1024)
#: {file extension of an export: arguments of wsl.exe}
EXPORTS = {".tar": [], ".gz": ["--format", "tar.gz"], ".xz": ["--format", "tar.xz"], ".vhdx": ["--vhd"]}


def configure(driver, vm, step):
    raw = yield from driver.current(vm)
    yield from apply_changes(driver, vm, raw, step.changes)


def apply_changes(driver, vm, raw, changes):
    """Apply changes to a distribution; ``raw`` is its current state."""
    distro = Distro(driver.host, raw, driver.options)
    values = {change.field: change.new for change in changes if change.key is None}
    for row, change in in_order(STORAGE, changes):
        arguments = row.write(distro, change)
        if arguments and change.field == "install_location":
            yield from driver.create_folder(vm, ntpath.dirname(change.new))
        if arguments:
            yield from driver.run(vm.name, arguments, guard(vm.id, distro.name))
    conf = {key: value for row, change in in_order(GUEST, changes) for key, value in row.write(distro, change).items()}
    if conf:
        yield from _change_guest(driver, vm, distro, values.get("default_user"), conf)
    is_marked = {"description", *IN_MARK} & set(values)
    calls = [mark_call(distro.id, distro.mark, values)] if is_marked else []
    calls += [wsl(driver.host.file, ["--set-default", distro.name])] if values.get("default") else []
    if "keep_running" in values:
        calls += keep_calls(driver, vm, values["keep_running"], driver.host.runs(raw))
    if calls:
        result = yield from _guarded(vm, distro, calls, is_marked)
        for answer in result.answers:
            if "exit_code" in answer.details:
                check(answer, vm.name, "--set-default")
        check_optional(result.answers)
    if values.get("export"):
        yield from _export(driver, vm, distro, values["export"])


def _guarded(vm, distro, calls, is_marked):
    """Send ``calls``, which must not overwrite a record that another task has changed since it was read."""
    before = guard(vm.id, distro.name)
    recorded = {MARK: distro.raw[MARK]} if is_marked and distro.raw.get(MARK) else None
    same = [pick("distro", "own", conditions=recorded)] if recorded else []
    try:
        return (yield [*before, *same, *calls])
    except CallFailed as error:
        if error.id == "NotOne" and same and len(error.result.answers) == len(before) + 1:
            raise Stale(f"{vm.name}: its record was changed meanwhile by another client.") from error
        raise


def _export(driver, vm, distro, path):
    """Export the distribution to a temporary file, which is then renamed: WSL overwrites an existing file.

    So the file is complete if it exists, and a file that somebody else creates meanwhile is not touched. Only this task
    uses the name of the temporary file, so it removes no file of others.
    """
    root, extension = ntpath.splitext(path)
    temporary = f"{root}.polyvirt-{driver.nonce}{extension}"
    permits.created(temporary, key_of(temporary))
    remove = removal([temporary])
    is_deleted = driver.options.get("state") == "absent"
    result = yield stamp_calls(path, distro.raw)
    version, stamp = stamp_in(path, result.answers)
    if version != []:
        is_known = stamp == distro.recorded_copy if is_deleted else driver.host.exported or path in driver.exports
        if not is_known:
            raise Refused(f"{vm.name}: export: {path} was created meanwhile by another client.", OTHER_NAME)
        return
    try:
        yield from driver.run(vm.name, ["--export", distro.name, temporary, *EXPORTS[extension.lower()]])
        if is_deleted:
            yield from _record_copy(driver, vm, distro, temporary, path)
        driver.exports.add(path)
        renaming = {"LiteralPath": [temporary], "Destination": path}
        yield [call("Microsoft.PowerShell.Management\\Move-Item", renaming)]
    except PolyvirtError as error:
        yield [remove]
        if _EXISTS & getattr(error, "codes", set()):
            message = f"{vm.name}: export: {path} was created meanwhile, and existing files are never overwritten."
            raise Refused(message, OTHER_NAME) from error
        raise


def _record_copy(driver, vm, distro, file, path):
    """Record a complete copy of a distribution that is deleted next, so that a later task can complete the deletion.

    Raises Refused if the copy is not complete: tar does not notice if the end of an archive is missing.
    """
    result = yield [whole_call(file, driver.call_timeout), *stamp_calls(file, distro.raw)]
    whole, *answers = result.answers
    version, stamp = stamp_in(path, answers)
    is_complete = is_whole(whole) and version and version[0] > 0
    if is_complete and file.lower().endswith(".tar"):
        result = yield [read_part(file, max(version[0] - len(_END), 0), len(_END))]
        is_complete = result.answers[0].bytes() == _END
    if not is_complete:
        found = whole.error or decoded(whole.bytes("stderr")).strip() or "its end is missing"
        raise Refused(
            f"{vm.name}: export: the file that WSL has written cannot be read to its end ({found}), so the distribution"
            " was not deleted.",
            "Run the task again, or set the name of a .tar file on another drive.",
        )
    recorded = {**distro.mark, **(parsed(distro.raw.get(MARK)) or {}), COPY: stamp}
    yield from _guarded(vm, distro, [mark_call(distro.id, recorded, {})], True)


# Files in the distribution --------------------------------------------------------------------------------------------


def _change_guest(driver, vm, distro, user, conf):
    """Change users and wsl.conf. A distribution that was stopped is stopped again; its next start reads them."""
    yield from stopped_again(driver, distro.raw, _write_guest_files(driver, vm, distro, user, conf))


def stopped_again(driver, raw, work):
    """Carry out ``work``, which is like a step and starts the distribution; one that was stopped is stopped again."""
    name = raw["DistributionName"]
    if driver.host.runs(raw):
        return (yield from work)
    driver.to_stop_again.add(name)
    # Stopping what only this work has started changes nothing, as after an observation.
    stopping = [wsl(driver.host.file, ["--terminate", name], reads=True)]
    try:
        result = yield from work
    except PolyvirtError:
        yield stopping
        raise
    yield stopping
    driver.to_stop_again.discard(name)
    return result


def _write_guest_files(driver, vm, distro, user, conf):
    """``user`` is the new default user, or None; ``conf`` are the new values of wsl.conf."""
    scripts = [READ_CONF, *([find_user_script(user)] if user else [])]
    result = yield [in_shell(driver.host.file, distro.name, script, reads=True) for script in scripts]
    check(result.answers[0], vm.name, f"cat {CONF}")
    if user and result.answers[1].details.get("exit_code") != 0:
        yield from _run_in_guest(driver, vm, distro.name, add_user_script(user))
    old = result.answers[0].bytes("stdout").decode("latin-1")
    new = wsl_conf.edit(old, conf)
    if new != old:
        yield from _run_in_guest(driver, vm, distro.name, write_conf_script(len(new)), new.encode("latin-1"))
    if user and distro.raw.get("RunOOBE"):
        yield [set_value(distro.id, "RunOOBE", 0)]


def _run_in_guest(driver, vm, name, script, stdin=None):
    result = yield [in_shell(driver.host.file, name, script, stdin=stdin)]
    check(result.answers[0], vm.name, f"--exec /bin/sh in {name}")


# Deleting -------------------------------------------------------------------------------------------------------------


def delete(driver, vm, step):
    raw = driver.host.raw(vm.id)
    name = raw["DistributionName"] if raw else vm.name
    # First, so that nothing is changed if WSL would delete another disk than planned, such as after a conversion.
    unregistering = [unregister(driver.host.file, vm.id, raw, driver.call_timeout)] if raw else []
    if vm.id is not None:
        same = guard(vm.id, name) if raw is None else guard_of_files(raw)
        try:
            yield from remove_documents(parsed(raw.get(MARK)) if raw else None)
            result = yield [*same, *remove_task(driver, vm)]
            check_optional(result.answers)
            if unregistering:
                # WSL deletes what the registry names at this moment.
                result = yield [*same, *unregistering]
                check(result.answers[-1], vm.name, f"--unregister {name}")
        except CallFailed as error:
            if error.category != "ObjectNotFound" or (yield from driver.find(vm.name)) is not None:
                message = f"{vm.name}: the distribution was replaced in the meantime."
                raise NotFound(message, _AGAIN) from error
            if driver.has_task(vm):
                yield remove_task(driver, vm)
    # An interrupted clone may have left its temporary file, perhaps for another directory than that of this one.
    folders = [*([folder_of(raw)] if raw else []), driver.folder(vm.name)]
    files = {key_of(path): path for path in (export_file(folder, vm.name) for folder in folders)}
    result = yield [removal([path]) for path in files.values()]
    check_optional(result.answers)
