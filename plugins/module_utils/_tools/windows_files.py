# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths and files of a Windows host, for the platforms that run on it."""

from __future__ import annotations

import ntpath
import re

from .._core.errors import PolyvirtError, Refused
from .._core.pattern import Pattern
from .._ports import permits
from .._ports.windows_request import call, properties, read_part, run

#: The HRESULT of an error about a file that something else has open.
SHARING_VIOLATION = 0x80070020
_SHARE = r"\\\\[^\\.?][^\\]*\\[^\\]+"
_PATH = Pattern(rf"[A-Za-z]:\\|{_SHARE}|\\\\\?\\Volume\{{")
#: The code of an error about missing rights.
_ACCESS_DENIED = 0x80070005
READ_REMEDY = "Give the user of the connection permission to read and change the file."
#: The beginnings of paths in Win32's namespaces of files and devices, which name the same files.
_NAMESPACE = Pattern(r"\\\\[?.]\\(?=[A-Za-z]:)|\\\\[?.]\\UNC(?=\\)", re.IGNORECASE)
#: It opens the file, so its answer is the same for all names of a file: only with /R, some commands open a link itself
#: (learn.microsoft.com/windows-server/administration/windows-commands/fsutil-file). PowerShell has no command for that.
_FSUTIL = "%SystemRoot%\\System32\\fsutil.exe"
_FILE_ID = Pattern(rb"0x[0-9A-Fa-f]{16,32}")
#: {option: an example of its path}; the paths of other options are those of disks.
_EXAMPLES = {
    "iso": "C:\\ISO\\debian.iso",
    "export": "C:\\backup\\dev.tar",
    "install_location": "D:\\WSL\\dev",
}
#: Characters that no name has, ends that Windows removes from names, and devices.
_DEVICE = r"(?<=\\)(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=[.\\]|$)"
_NO_NAME = Pattern(rf'[<>"|?*:\x00-\x1f]|[. ](?=\\|$)|{_DEVICE}')


def key_of(path):
    """A path in a form in which two spellings can be compared. Links, short names and shares are other paths."""
    return _plain(path).lower()


def _plain(path):
    path = path.replace("/", "\\")
    return ntpath.normpath(_NAMESPACE.sub(lambda found: "\\" * found[0].upper().endswith("UNC"), path, count=1))


def file_id_call(path):
    """A call that reads which file of its volume a path leads to; ``file_id`` reads the answer."""
    return run(_FSUTIL, ["file", "queryfileid", path], 10, reads=True, go_on=True)


def file_id(answer):
    """Return None if Windows does not say it. Files of two volumes may have the same one."""
    found = _FILE_ID.search(answer.bytes("stdout")) if answer.error is None else None
    return found and found[0]


def windows_path(vm, option, path):
    """An absolute path on the host, with backslashes. Raises Refused for any other."""
    return absolute_path(f"{vm.name}: {option}", path, _EXAMPLES.get(option, "C:\\VMs\\disk.vhdx"))


def absolute_path(about, path, example):
    """An absolute path on the host, with backslashes; ``about`` begins the message about any other."""
    is_device, path = path.replace("/", "\\").startswith("\\\\.\\"), _plain(path)
    if is_device or not _PATH.match(path):
        raise Refused(f"{about}: '{path}' is not an absolute path on Windows.", f"Set a path such as {example}.")
    wrong = _NO_NAME.search(ntpath.splitdrive(path)[1])
    if wrong:
        raise Refused(
            f"{about}: '{path}' contains a name that is not possible on Windows ('{wrong[0]}').", "Correct the path."
        )
    return path


def is_on_share(path):
    return re.match(_SHARE, path) is not None


def is_root(path):
    """Return whether a path is the root directory of a drive or share."""
    return not ntpath.splitdrive(path)[1].strip("\\")


def remedy_if_missing(path):
    """Return what to do about a path that Windows does not show, or None if it is not on a share."""
    if not is_on_share(path):
        return None
    return (
        "Correct the path; or the connection cannot log on to the share, because it cannot pass on its credentials: see"
        " Double hop in docs/hyperv.md."
    )


def file_command(command, paths, arguments=None, **more):
    """A call of one of PowerShell's commands for files; file names are not interpreted as patterns."""
    arguments = {"LiteralPath": list(paths), **(arguments or {})}
    return call(f"Microsoft.PowerShell.Management\\{command}", arguments, **more)


def removal(paths, go_on=True, **more):
    """A call that deletes files of which a plan, or a record, lists each one. Raises Refused for others."""
    for path in paths:
        permits.check(path, key_of(path))
    return file_command("Remove-Item", paths, {"Force": True}, go_on=go_on, **more)


def version_call(path):
    """A call that reads what changes when a file is replaced; ``version_in`` reads the answer."""
    return file_command("Get-Item", [path], show=properties("Length", "LastWriteTimeUtc"), go_on=True)


def version_in(answer):
    """Return [size, time of the last change] of a file, empty if there is none, and None if that cannot be seen."""
    if answer.error is not None:
        return [] if answer.error.category == "ObjectNotFound" else None
    found = answer.objects[0] if answer.objects else {}
    return [found["Length"], found["LastWriteTimeUtc"]] if "Length" in found else None


def opening_calls(paths):
    """Calls that open files as the user of the connection; ``denied_in`` reads the answers."""
    return [read_part(path, 0, 1, go_on=True) for path in paths]


def denied_in(paths, answers):
    """Return the keys of the files that the user may not open, whatever else may be wrong with them."""
    denied = [one.error is not None and _ACCESS_DENIED in one.error.codes for one in answers[: len(paths)]]
    return {key_of(path) for path, is_denied in zip(paths, denied) if is_denied}


def hash_call(path):
    """A call that reads a file and returns its checksum; ``hash_in`` reads the answer."""
    arguments = {"LiteralPath": [path], "Algorithm": "SHA256"}
    return call("Microsoft.PowerShell.Utility\\Get-FileHash", arguments, show=properties("Hash"))


def hash_in(answer):
    return answer.objects[0]["Hash"].lower()


def environment_call(name, **more):
    """A call that reads a variable of the environment; its object has the property Value."""
    return file_command("Get-Item", [f"Env:{name}"], show=properties("Value"), **more)


def machine_call():
    """A call that reads the id that Setup gave to this Windows, as MachineGuid: two hosts may have one name."""
    path = "HKLM:\\SOFTWARE\\Microsoft\\Cryptography"
    return file_command(
        "Get-ItemProperty", [path], {"Name": ["MachineGuid"]}, show=properties("MachineGuid"), go_on=True
    )


def parents_of(folder):
    """The directories above a directory, without the root of its drive."""
    parents, root = [], ntpath.splitdrive(folder)[0] + "\\"
    while ntpath.dirname(folder) not in (folder, root):
        folder = ntpath.dirname(folder)
        parents.append(folder)
    return parents


def files_test(paths):
    """A call that returns for each path whether it is a file; ``check_no_file`` checks the answer."""
    return file_command("Test-Path", paths, {"PathType": "Leaf"}, show=properties("Length"))


def check_no_file(label, folder, are_files):
    """Raise Refused if a directory cannot be created; ``are_files``: {path of it or above it: whether it is a file}."""
    for path in (folder, *parents_of(folder)):
        if are_files.get(path):
            raise Refused(f"{label}: {folder} cannot be a directory: {path} is a file.", "Set another directory.")


def folder_call(folder, keep=None):
    """A call that creates a directory and those above it; ``check_folder`` checks the answer."""
    directory = {"Path": [folder], "ItemType": "Directory", "Force": True}
    return call("Microsoft.PowerShell.Management\\New-Item", directory, keep=keep, show=properties("FullName"))


def check_folder(label, folder, answer):
    """Raise if there is no directory. With Force, PowerShell reports no error if it cannot create one."""
    if answer.error is None and not answer.objects:
        message = f"{label}: Windows cannot create the directory {folder}."
        raise PolyvirtError(message, "Check whether a file has this name, the name is too long, or a right is missing.")


def volume_call(path):
    """A call that reads the free space of the volume that has a path; ``free_bytes`` reads the answer."""
    return call("Storage\\Get-Volume", {"FilePath": path}, show=properties("SizeRemaining"), go_on=True)


def free_bytes(answer):
    """Return None if the path is not on a volume of this host, such as on a file server."""
    return answer.objects[0].get("SizeRemaining") if answer.error is None and answer.objects else None
