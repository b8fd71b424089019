# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change and delete distributions: first changes that need a stopped one, then files in it, then the rest."""

from __future__ import annotations

import ntpath

from ..._core.errors import NotFound, PolyvirtError, Refused
from ..._core.mark import IN_MARK, own_mark, parsed, printed, with_settings
from ..._core.model import Vm
from ..._core.units import GIB, MIB
from ..._ports.windows import CallFailed
from ..._ports.windows_request import call, properties
from ..._tools import wsl_conf
from ..._tools.windows_files import file_command, key_of
from ..._tools.wsl import MARK, check, check_optional, export_file, folder_of, guard, in_shell, is_vm, set_value, wsl
from .power import keep_calls, remove_task
from .reader import CONF, GUEST_OPTIONS, STARTED_WITH, if_small

#: HRESULTs of Windows for a file that exists already.
_EXISTS = {0x80070050, 0x800700B7}
#: {file extension of an export: arguments of wsl.exe}
EXPORTS = {".tar": [], ".gz": ["--format", "tar.gz"], ".xz": ["--format", "tar.xz"], ".vhdx": ["--vhd"]}


def configure(driver, vm, step):
    raw = yield from driver.current(vm)
    yield from apply_changes(driver, vm, raw, step.changes)


def apply_changes(driver, vm, raw, changes):
    """Apply changes to a distribution; ``raw`` is its current state."""
    values = {change.field: change.new for change in changes if change.key is None}
    size = next((change.new if change.attribute else change.new.get("size") for change in changes
                 if change.field == "disks"), None)  # fmt: skip
    for arguments, folder in _commands_when_stopped(driver, raw, values, size):
        if folder:
            yield from driver.create_folder(vm, folder)
        yield from driver.run(vm.name, arguments, guard(vm.id, raw["DistributionName"]))
    native = {change.key: change.new for change in changes if change.field == "native"}
    if native or set(GUEST_OPTIONS) & set(values):
        yield from _change_guest(driver, vm, raw, values, native)
    calls = [*_mark_calls(vm, raw, values), *_default_calls(driver, raw, values)]
    if "keep_running" in values:
        calls += keep_calls(driver, vm, values["keep_running"], driver.host.runs(raw))
    if calls:
        result = yield [*guard(vm.id, raw["DistributionName"]), *calls]
        _check_exit_codes(vm, result)
        check_optional(result.answers)
    if values.get("export"):
        yield from _export(driver, vm, raw, values["export"])


def _check_exit_codes(vm, result):
    for answer in result.answers:
        if "exit_code" in answer.details:
            check(answer, vm.name, "--set-default")


def _commands_when_stopped(driver, raw, values, size):
    """Yield (arguments of wsl.exe, directory to create first or None) of changes that need a stopped distribution."""
    name, version = raw["DistributionName"], values.get("version")
    if version and version != (2 if is_vm(raw) else 1):
        yield ["--set-version", name, str(version)], None
    folder = values.get("install_location")
    if folder and key_of(folder) != key_of(folder_of(raw)):
        yield ["--manage", name, "--move", folder], ntpath.dirname(folder)
    if size:
        text = f"{size // GIB}GB" if size % GIB == 0 else f"{size // MIB}MB"
        yield ["--manage", name, "--resize", text], None
    if values.get("sparse") is not None:
        unsafe = ["--allow-unsafe"] if values["sparse"] and driver.host.version >= (2, 5) else []
        yield ["--manage", name, "--set-sparse", "true" if values["sparse"] else "false", *unsafe], None


def _mark_calls(vm, raw, values):
    if not {"description", *IN_MARK} & set(values):
        return []
    mark = own_mark(Vm(vm.name, id=raw["PSChildName"], mark=parsed(raw.get(MARK))))
    mark = with_settings(mark, values)
    mark["description"] = values.get("description", mark.get("description", ""))
    return [set_value(raw["PSChildName"], MARK, printed(mark))]


def _default_calls(driver, raw, values):
    return [wsl(driver.host.file, ["--set-default", raw["DistributionName"]])] if values.get("default") else []


def _export(driver, vm, raw, path):
    """Export the distribution to a temporary file, which is then renamed: WSL overwrites an existing file.

    So the file is complete if it exists, and a file that somebody else creates meanwhile is not touched.
    """
    root, extension = ntpath.splitext(path)
    temporary = f"{root}.polyvirt{extension}"
    remove = file_command("Remove-Item", [temporary], go_on=True)
    result = yield [file_command("Test-Path", [path], show=properties("Length")), remove]
    if result.answers[0].objects[0]:
        return
    try:
        name, format_ = raw["DistributionName"], EXPORTS[extension.lower()]
        yield from driver.run(vm.name, ["--export", name, temporary, *format_])
        renaming = {"LiteralPath": [temporary], "Destination": path}
        yield [call("Microsoft.PowerShell.Management\\Move-Item", renaming)]
    except PolyvirtError as error:
        yield [remove]
        if _EXISTS & getattr(error, "codes", set()):
            message = f"{vm.name}: export: {path} was created meanwhile, and existing files are never overwritten."
            raise Refused(message, "Set another file, or remove this one.") from error
        raise


# Files in the distribution --------------------------------------------------------------------------------------------


def _change_guest(driver, vm, raw, values, native):
    """Change users and wsl.conf. A distribution that was stopped is stopped again; its next start reads them."""
    name = raw["DistributionName"]
    if driver.host.runs(raw):
        yield from _write_guest_files(driver, vm, raw, values, native)
        return
    driver.to_stop_again.add(name)
    stopping = [wsl(driver.host.file, ["--terminate", name])]
    try:
        yield from _write_guest_files(driver, vm, raw, values, native)
    except PolyvirtError:
        yield stopping
        raise
    yield stopping
    driver.to_stop_again.discard(name)


def _write_guest_files(driver, vm, raw, values, native):
    name, file, user = raw["DistributionName"], driver.host.file, values.get("default_user")
    if user:
        add_user = f"id -u {user} || useradd -m -s /bin/bash {user} || adduser -D {user}"
        yield from _run_in_guest(driver, vm, name, add_user)
    read_conf = if_small([CONF], f"if test -e {CONF}; then cat {CONF}; fi")
    result = yield [in_shell(file, name, read_conf, reads=True)]
    check(result.answers[0], vm.name, f"cat {CONF}")
    old = result.answers[0].bytes("stdout").decode("latin-1")
    new = wsl_conf.edit(old, _conf_values(values, native))
    if new != old:
        yield from _run_in_guest(driver, vm, name, _write_script(len(new)), new.encode("latin-1"))
    if user and raw.get("RunOOBE"):
        yield [set_value(raw["PSChildName"], "RunOOBE", 0)]


def _conf_values(values, native):
    """Return {key of wsl.conf: value, or None to remove it}."""
    own = {}
    if "systemd" in values:
        own["boot.systemd"] = "true" if values["systemd"] else "false"
    if values.get("default_user"):
        own["user.default"] = values["default_user"]
    return {**own, **native}


def _write_script(length):
    """Return a script that replaces wsl.conf with its input, unless that is incomplete.

    Before the first change after a start, it copies wsl.conf, so that the settings in effect remain known. If wsl.conf
    is a symbolic link, its target is replaced. Without field separators and patterns, no path needs quotes.
    """
    return (
        f"umask 022; IFS=; set -f; conf=$(readlink -f {CONF}); conf=${{conf:-{CONF}}}; new=$conf.polyvirt;"
        f" if ! test -e {STARTED_WITH}; then if test -e {CONF}; then cp {CONF} {STARTED_WITH};"
        f" else touch {STARTED_WITH}; fi; fi; if test -e {CONF}; then cp -p $conf $new; fi;"
        f" cat > $new && wc -c < $new | grep -qx {length} && mv -f $new $conf || {{ rm -f $new; exit 1; }}"
    )


def _run_in_guest(driver, vm, name, script, stdin=None):
    result = yield [in_shell(driver.host.file, name, script, stdin=stdin)]
    check(result.answers[0], vm.name, f"--exec /bin/sh in {name}")


# Deleting -------------------------------------------------------------------------------------------------------------


def delete(driver, vm, step):
    raw = driver.host.raw(vm.id)
    name = raw["DistributionName"] if raw else vm.name
    if vm.id is not None:
        try:
            result = yield [*guard(vm.id, name), *remove_task(driver, vm)]
            check_optional(result.answers)
            yield from driver.run(vm.name, ["--unregister", name], guard(vm.id, name))
        except CallFailed as error:
            if error.category != "ObjectNotFound" or (yield from driver.named(vm.name)) is not None:
                message = f"{vm.name}: the distribution was replaced in the meantime."
                raise NotFound(message, "Run the task again.") from error
            if driver.has_task(vm):
                yield remove_task(driver, vm)
    # An interrupted clone may have left its temporary file, perhaps for another directory than that of this one.
    folders = [*([folder_of(raw)] if raw else []), driver.folder(vm.name)]
    files = {key_of(path): path for path in (export_file(folder, vm.name) for folder in folders)}
    result = yield [file_command("Remove-Item", [path], go_on=True) for path in files.values()]
    check_optional(result.answers)
