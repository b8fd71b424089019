# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing and deleting distributions: first what needs it stopped, then what is stored in it, then the rest."""

from __future__ import annotations

import ntpath

from ..._lifecycle.errors import NotFound, PolyvirtError
from ..._lifecycle.mark import IN_MARK, own_mark, parsed, printed, with_settings
from ..._lifecycle.model import Vm
from ..._lifecycle.units import GIB, MIB
from ..._ports.windows import CallFailed
from ..._ports.windows_request import call
from ..._tools import wsl_conf
from ..._tools.windows_files import file_command, key_of
from ..._tools.wsl import MARK, check, check_optional, export_file, folder_of, guard, in_shell, is_vm, set_value, wsl
from .power import keep_calls, remove_task
from .reader import CONF, INNER, STARTED_WITH

_NEW = f"{CONF}.polyvirt"
#: {ending of an export: arguments of wsl.exe}
EXPORTS = {".tar": [], ".gz": ["--format", "tar.gz"], ".xz": ["--format", "tar.xz"], ".vhdx": ["--vhd"]}


def configure(driver, vm, step):
    raw = yield from driver.current(vm)
    yield from apply_changes(driver, vm, raw, step.changes)


def apply_changes(driver, vm, raw, changes):
    """Make the changes to a distribution; ``raw`` is how it is now."""
    values = {change.field: change.new for change in changes if change.key is None}
    size = next((change.new if change.attribute else change.new.get("size") for change in changes
                 if change.field == "disks"), None)  # fmt: skip
    for words, folder in _management(driver, raw, values, size):
        before = [*guard(vm.id, raw["DistributionName"]), *([_new_folder(folder)] if folder else [])]
        yield from driver.run(vm.name, words, before)
    native = {change.key: change.new for change in changes if change.field == "native"}
    if native or set(INNER) & set(values):
        yield from _change_inside(driver, vm, raw, values, native)
    calls = [*_mark_calls(vm, raw, values), *_default_calls(driver, raw, values)]
    if "keep_running" in values:
        calls += keep_calls(driver, vm, values["keep_running"], driver.host.runs(raw))
    if calls:
        result = yield [*guard(vm.id, raw["DistributionName"]), *calls]
        _check_programs(vm, result)
        check_optional(result.answers)
    if values.get("export"):
        yield from _export(driver, vm, raw, values["export"])


def _check_programs(vm, result):
    for answer in result.answers:
        if "exit_code" in answer.details:
            check(answer, vm.name, "--set-default")


def _management(driver, raw, values, size):
    """(arguments of wsl.exe, new directory) of each change that needs a stopped distribution."""
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


def _new_folder(folder):
    """WSL creates the last directory of a path only."""
    directory = {"Path": [folder], "ItemType": "Directory", "Force": True}
    return call("Microsoft.PowerShell.Management\\New-Item", directory)


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
    """A file that is not complete is removed by WSL, and by us if the connection breaks off."""
    format_ = EXPORTS[ntpath.splitext(path)[1].lower()]
    try:
        yield from driver.run(vm.name, ["--export", raw["DistributionName"], path, *format_])
    except PolyvirtError:
        yield [file_command("Remove-Item", [path], go_on=True)]
        raise


# What is stored in the distribution -----------------------------------------------------------------------------------


def _change_inside(driver, vm, raw, values, native):
    """Users and wsl.conf. A distribution that was stopped is stopped again, so that its next start has them."""
    name = raw["DistributionName"]
    if driver.host.runs(raw):
        yield from _write_inside(driver, vm, raw, values, native)
        return
    driver.opened.add(name)
    stopping = [wsl(driver.host.file, ["--terminate", name])]
    try:
        yield from _write_inside(driver, vm, raw, values, native)
    except PolyvirtError:
        yield stopping
        raise
    yield stopping
    driver.opened.discard(name)


def _write_inside(driver, vm, raw, values, native):
    name, file, user = raw["DistributionName"], driver.host.file, values.get("default_user")
    if user:
        adding = f"id -u {user} || useradd -m -s /bin/bash {user} || adduser -D {user}"
        yield from _run_inside(driver, vm, name, adding)
    result = yield [in_shell(file, name, f"if test -e {CONF}; then cat {CONF}; fi", reads=True)]
    check(result.answers[0], vm.name, f"cat {CONF}")
    old = result.answers[0].bytes("stdout").decode("latin-1")
    new = wsl_conf.edit(old, {key: _bytes(one) for key, one in _keys(values, native).items()})
    if new != old:
        yield from _run_inside(driver, vm, name, _writing(len(new)), new.encode("latin-1"))
    if user and raw.get("RunOOBE"):
        yield [set_value(raw["PSChildName"], "RunOOBE", 0)]


def _keys(values, native):
    """{key of wsl.conf: value}"""
    own = {}
    if "systemd" in values:
        own["boot.systemd"] = "true" if values["systemd"] else "false"
    if values.get("default_user"):
        own["user.default"] = values["default_user"]
    return {**own, **native}


def _bytes(value):
    return None if value is None else value.encode().decode("latin-1")


def _writing(length):
    """A script that replaces wsl.conf by its input, if that is complete; once, it keeps what the start has read."""
    return (
        f"umask 022; if ! test -e {STARTED_WITH}; then if test -e {CONF}; then cp {CONF} {STARTED_WITH};"
        f" else touch {STARTED_WITH}; fi; fi; if test -e {CONF}; then cp -p {CONF} {_NEW}; fi;"
        f" cat > {_NEW} && wc -c < {_NEW} | grep -qx {length} && mv -f {_NEW} {CONF} || {{ rm -f {_NEW}; exit 1; }}"
    )


def _run_inside(driver, vm, name, script, stdin=None):
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
    folder = folder_of(raw) if raw else driver.folder(vm.name)
    # What a clone that was interrupted may have left.
    result = yield [file_command("Remove-Item", [export_file(folder, vm.name)], go_on=True)]
    check_optional(result.answers)
