# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of Windows that do not belong to Hyper-V: files, drives, services."""

from __future__ import annotations

import hashlib

from platforms.hyperv.double.calls import IN_USE, handles
from platforms.hyperv.double.files import base, parent
from platforms.hyperv.double.views import shown
from platforms.windows.failures import Failed
from platforms.windows.objects import NetObject, has_wildcards, like

_ENVIRONMENT = "env:"


def _error(call, id_, category, path, type_="System.IO.IOException", code=0x80131501):
    message = f"{call.host.text('file', name=path)} (0x{code:08X})"
    return Failed(f"{id_},{call.command.owner}", category, message, path, type_, code)


def _no_item(call, path):
    type_ = "System.Management.Automation.ItemNotFoundException"
    return _error(call, "PathNotFound", "ObjectNotFound", path, type_)


def _no_right(call, id_, path):
    error = _error(call, id_, "PermissionDenied", path, "System.UnauthorizedAccessException", 0x80070005)
    error.message = f"Access to the path '{path}' is denied. (0x80070005)"
    return error


def _no_source(call, path):
    return _error(call, "InvalidOperation", "InvalidOperation", path)


def _paths(call, missing=_no_item):
    """The keys of existing files and directories that Path (with wildcards) or LiteralPath selects.

    ``missing(call, path)`` is the error about a path that does not exist, which None ignores.
    """
    files = call.host.files
    every = [*files.contents, *files.folders]
    for path in call.get("LiteralPath") or call.get("Path", ()):
        is_pattern = "LiteralPath" not in call.given and has_wildcards(path)
        key = files.key(path)
        found = [one for one in every if (like(one, key) if is_pattern else one == key)]
        if is_pattern:
            found = [one for one in found if one.count("\\") == key.count("\\")]
        elif not found and missing:
            call.context.error(missing(call, path))
        yield from found


@handles("Test-Path")
def test_path(call):
    files, type_ = call.host.files, call.get("PathType", "Any")
    kinds = {"Any": lambda one: True, "Container": files.is_folder, "Leaf": lambda one: not files.is_folder(one)}
    name = "LiteralPath" if "LiteralPath" in call.given else "Path"
    wanted = call.get(name)
    for path in wanted:
        call.given[name] = [path]
        # Of a share that the connection cannot log on to, Windows says that nothing is there.
        is_reached = getattr(call.host, "reaches_shares", True) or not path.startswith("\\\\")
        yield is_reached and any(kinds[type_](one) for one in _paths(call, missing=None))


@handles("Get-Item")
def get_items(call):
    paths = call.get("LiteralPath", ())
    if any(path.lower().startswith(_ENVIRONMENT) for path in paths):
        return [_variable(call, path) for path in paths]
    return [call.host.views.item(path) for path in _paths(call)]


def _variable(call, path):
    known = {name.lower(): (name, value) for name, value in call.host.files.environment.items()}
    found = known.get(path.lower().removeprefix(_ENVIRONMENT))
    if found is None:
        raise _no_item(call, path)
    return NetObject("System.Collections.DictionaryEntry", Key=found[0], Value=found[1])


@handles("Get-ItemProperty")
def get_property(call):
    """Only the id of the installation: READ learn.microsoft.com/openspecs/windows_protocols (MS-RRP: MachineGuid is a
    REG_SZ below Cryptography that Setup creates); any user may read it (ASSUMED)."""
    for path in call.get("LiteralPath"):
        if path.lower() != "hklm:\\software\\microsoft\\cryptography":
            raise _error(call, "PathNotFound", "ObjectNotFound", path)
        yield NetObject("System.Management.Automation.PSCustomObject", MachineGuid=call.host.machine)


@handles("Get-FileHash")
def get_hashes(call):
    files = call.host.files
    for path in call.get("LiteralPath"):
        content = files.file(path)
        if content is None:
            raise _error(call, "FileNotFound", "ObjectNotFound", path)
        if files.is_denied(path):
            type_ = "System.UnauthorizedAccessException"
            raise _error(call, "UnauthorizedAccessError", "InvalidData", path, type_, 0x80070005)
        digits = hashlib.new(call.get("Algorithm", "SHA256").lower(), content).hexdigest().upper()
        yield shown("FileHash", "Microsoft.PowerShell.Commands.", path, Hash=digits, Path=files.name(path))


@handles("Get-ChildItem")
def get_children(call):
    files, found = call.host.files, []
    for path in _paths(call):
        if files.is_denied(path) and files.is_folder(path):
            call.context.error(_no_right(call, "DirUnauthorizedAccessError", files.name(path)))
            continue
        below = files.below(path) if files.is_folder(path) else [path]
        # READ learn.microsoft.com/powershell/module/microsoft.powershell.management/get-childitem: Depth implies
        # Recurse, and 0 is the directory itself. Links are not followed (READ for 7, ASSUMED for 5.1).
        levels = call.get("Depth", 99 if call.get("Recurse") else 0)
        start = files.key(path).count("\\") + 1
        for one in below if files.is_folder(path) else ():
            if files.is_folder(one) and files.is_denied(one) and one.count("\\") - start < levels:
                call.context.error(_no_right(call, "DirUnauthorizedAccessError", files.name(one)))
        below = [one for one in below if one == path or not files.is_denied(parent(one))]
        found += [one for one in below if one.count("\\") - start <= levels or not files.is_folder(path)]
    if call.get("Filter"):
        found = [one for one in found if like(base(one), call.get("Filter"))]
    if call.get("File") or call.get("Directory"):
        found = [one for one in found if files.is_folder(one) == bool(call.get("Directory"))]
    return [call.host.views.item(path) for path in found]


@handles("New-Item")
def new_item(call):
    is_folder = call.get("ItemType", "").lower() in ("directory", "container")
    for path in call.get("Path", [""]):
        path = f"{path}\\{call.get('Name')}".lstrip("\\") if call.get("Name") else path
        if path[1:2] == ":" and path[0].upper() not in call.host.files.capacity:
            raise _error(call, "DriveNotFound", "ObjectNotFound", path)
        error = _folder_error(call, path) if is_folder else _file_error(call, path)
        if error is None:
            yield call.host.views.item(path)
        elif not (is_folder and call.get("Force")):
            raise error
        # With Force, PowerShell reports no error about a directory that it cannot create, and returns no object.


def _folder_error(call, path):
    """Create a directory; returns the error if that is not possible."""
    files = call.host.files
    if files.file(path) is not None or (files.is_folder(path) and not call.get("Force")):
        return _error(call, "DirectoryExist", "ResourceExists", path)
    parts = path.split("\\")
    above = ["\\".join(parts[:count]) for count in range(1, len(parts))]
    if any(files.file(one) is not None or files.is_denied(one) for one in above) or len(max(parts, key=len)) > 255:
        return _error(call, "CreateDirectoryIOError", "WriteError", path)
    files.make(path)
    return None


def _file_error(call, path):
    """Create a file; returns the error if that is not possible."""
    files, is_forced = call.host.files, call.get("Force")
    if files.is_folder(path) or (files.file(path) is not None and not is_forced):
        return _error(call, "NewItemIOError", "WriteError", path, code=0x80070050)
    if not files.is_folder(parent(path)) and not is_forced:
        return _error(call, "NewItemIOError", "WriteError", path, code=0x80070003)
    files.put(path, f"{call.get('Value', '')}".encode())
    return None


@handles("Remove-Item")
def remove_items(call):
    files = call.host.files

    def remove(path):
        below = files.below(path) if files.is_folder(path) else []
        if below and not call.get("Recurse"):
            raise call.failed("InvalidOperation", "prompt")
        for one in [*reversed(below), path]:
            _check_delete(call, one)
            files.delete(one)

    return call.each(_paths(call), remove)


def _check_delete(call, path):
    if call.host.is_locked(path):
        raise _error(call, "RemoveFileSystemItemIOError", "WriteError", call.host.files.name(path), code=IN_USE)
    if call.host.files.is_denied(path):
        raise _no_right(call, "RemoveFileSystemItemUnAuthorizedAccess", path)


@handles("Move-Item")
def move_items(call):
    files = call.host.files
    for path in list(_paths(call, _no_source)):
        target = call.get("Destination", "C:\\Users")
        target = f"{target}\\{base(files.name(path))}" if files.is_folder(target) else target
        _check_target(call, path, target)
        files.put(target, files.file(path))
        files.keep_time(path, target)
        files.delete(path)
        yield from call.passed([call.host.views.item(target)])


def _check_target(call, path, target):
    files, id_ = call.host.files, "MoveFileInfoItemIOError"
    if files.is_folder(path):
        raise Failed("NotImplementedInFake,folders", "NotImplemented", "Move-Item of a folder")
    if not files.is_folder(parent(target)):
        raise _error(call, id_, "WriteError", target, code=0x80070003)
    if files.is_denied(path) or files.is_denied(target):
        raise _no_right(call, "MoveFileInfoItemUnauthorizedAccessError", path)
    if call.host.is_locked(target) or call.host.is_locked(path):
        raise _error(call, id_, "WriteError", target, code=IN_USE)
    if files.file(target) is not None and not call.get("Force"):
        raise _error(call, id_, "WriteError", target, code=0x800700B7)
    if not files.has_room(target, files.length(files.file(path))):
        raise _error(call, id_, "WriteError", target, code=0x80070070)


@handles("Get-Volume")
def get_volumes(call):
    files = call.host.files
    wanted = call.get("FilePath", "")[:1].upper()
    for letter in files.capacity:
        if wanted in ("", letter):
            about = {"SizeRemaining": files.free(letter), "Size": files.capacity[letter], "FileSystem": "NTFS"}
            yield shown("MSFT_Volume", "", letter, DriveLetter=letter, **about)


@handles("Start-Service")
def start_service(call):
    call.host.is_service_running = True
    return ()


@handles("Start-Sleep")
def sleep(call):
    call.wait(call.get("Seconds", 0) or call.get("Milliseconds", 0) / 1000)
    return ()
