# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL of one user: wsl.exe, its registry, and the scheduled task that keeps a distribution started.

wsl.exe prints UTF-16LE, or UTF-8 if it supports WSL_UTF8, in the language of Windows; errors go to standard output. So
no text is interpreted: errors are identified by the path of their code, and states are read from the registry and from
the list of running distributions. Sources: WslClient.cpp, wslutil.cpp and wslservice.idl of microsoft/WSL.
"""

from __future__ import annotations

import ntpath
import re
from xml.sax.saxutils import escape

from .._core.errors import PolyvirtError, remedy_for
from .._core.pattern import Pattern
from .._ports import permits
from .._ports.windows_request import Ref, call, pick, properties, run
from .windows_files import key_of, version_in
from .windows_files import version_call as file_call

#: wsl.exe of the package, which works in sessions without a desktop, and the one of Windows, which calls the former.
PACKAGED, INBOX = "%ProgramW6432%\\WSL\\wsl.exe", "%SystemRoot%\\System32\\wsl.exe"
LXSS = "HKCU:\\Software\\Microsoft\\Windows\\CurrentVersion\\Lxss"
SETTINGS_FILE = "%USERPROFILE%\\.wslconfig"
#: The value of a distribution's registry key that contains our mark; it is deleted with the key.
MARK = "polyvirt"
TASKS = "\\polyvirt\\wsl\\"
INSTALLED, INSTALLING, UNINSTALLING = 1, 3, 4
_VM_MODE, _KEYS = 0x8, properties(
    "State", "DistributionName", "Flags", "BasePath", "VhdFileName", "DefaultUid", "RunOOBE", "Flavor", "OsVersion",
    "KernelCommandLine", "DefaultEnvironment", "PSChildName", MARK,
)  # fmt: skip
_CODE = Pattern(r"((?:\w+/)+(?:[A-Z]+_[A-Z0-9_]+|0x[0-9a-fA-F]+))\s*\Z")
_READ_SECONDS = 60
#: Options of wsl.exe that destroy nothing; ``unregister`` has the one that does.
_OPTIONS = frozenset({
    "-d", "--import", "--install", "--list", "--manage", "--set-default", "--set-default-version", "--set-version",
    "--shutdown", "--terminate", "--update", "--version",
})  # fmt: skip
#: Timeout in seconds of calls of wsl.exe.
SECONDS = 300
#: The prefix that paths in the registry may have.
_LONG_PATH = "\\\\?\\"
_FOREVER = "while :; do sleep 86400; done"
_MANAGEMENT = "Microsoft.PowerShell.Management"
_TAR = "%SystemRoot%\\System32\\tar.exe"
#: Results of a task if its user could not be logged on.
LOGON_REFUSED = (0x8007052E, 0x80070569)
#: Rows (codes of the error, remedy), see remedy_for; docs/errors.md lists them.
REMEDIES = (
    (
        ("WSL_E_LOCAL_SYSTEM_NOT_SUPPORTED",),
        "Connect as the user who owns the distributions, with become_method runas and logon_type interactive if"
        " needed.",
    ),
    (
        ("0x8007023f",),
        "Log on to the host once, or use become with become_method runas and logon_type interactive.",
    ),
    (
        (
            "HCS_E_HYPERV_NOT_INSTALLED", "HCS_E_SERVICE_NOT_AVAILABLE", "WSL_E_WSL_OPTIONAL_COMPONENT_REQUIRED",
            "WSL_E_VIRTUAL_MACHINE_PLATFORM_REQUIRED",
        ),
        "Prepare the host with the role wsl_host, and restart it.",
    ),
    (
        ("WSL_E_IMPORT_FAILED", "WSL_E_NOT_A_LINUX_DISTRO"),
        "Check that the file is a tarball of a root file system, with /etc at its top (tar tf FILE).",
    ),
    (("WSL_E_DISTRO_NOT_STOPPED",), "Set allow_restart: true, or stop it first."),
    (("E_ILLEGAL_STATE_CHANGE",), "The distribution is being exported or converted. Run the task again later."),
    (("ERROR_DISK_FULL",), "Free space on the drive, or set install_location to another one."),
    (("ERROR_SHARING_VIOLATION",), "Close the program that uses the virtual disk, such as a backup."),
    (
        ("E_ACCESSDENIED",),
        "Give the user permission for the file and its directory; of the virtual disk of a distribution, make the user"
        " the owner.",
    ),
    (("E_INVALIDARG",), "Check the values of the task."),
)  # fmt: skip


class WslFailed(PolyvirtError):
    """wsl.exe has failed. ``code`` is the last part of ``path``, the path of its error; both may be empty."""

    def __init__(self, label, words, answer):
        text = decoded(answer.bytes("stdout")).strip() or decoded(answer.bytes("stderr")).strip() or "no output"
        found = _CODE.search(text)
        self.path = found[1] if found else ""
        self.code = self.path.rpartition("/")[2]
        self.exit_code = answer.details.get("exit_code")
        error = " ".join(text.split())
        message = f"{label}: wsl.exe {words} failed with exit code {self.exit_code}: {error}"
        remedy = remedy_for(REMEDIES, self.code) or remedy_for(REMEDIES, self.code.lower())
        if words.startswith("--update") and not self.path:  # That of Windows 10 2004 has no such option.
            remedy = "It needs the updates of Windows: install them, or the package of WSL (github.com/microsoft/WSL)."
        if self.exit_code is None:
            message = f"{label}: wsl.exe {words} did not end in time and was ended. The service of WSL may go on."
            remedy = "Check wsl.exe --list --verbose, raise call_timeout, and run the task again."
        super().__init__(message, remedy)


def decoded(content):
    """Output of wsl.exe as text: UTF-16LE despite WSL_UTF8 before 0.64 and on inbox versions."""
    content = content.removeprefix(b"\xff\xfe").removeprefix(b"\xef\xbb\xbf")
    is_wide = len(content) % 2 == 0 and content.count(b"\0") > len(content) // 8
    try:
        return content.decode("utf-16-le" if is_wide else "utf-8")
    except UnicodeDecodeError:
        # Texts without Latin letters have no zeros.
        return content.decode("utf-8" if is_wide else "utf-16-le", "replace")


def wsl(file, words, seconds=SECONDS, *, stdin=None, reads=False, loses=(), **more):
    """A call of wsl.exe. Without ``stdin``, its input is empty, so that it does not wait for any.

    ``loses`` is the thing that it destroys (permits.py). Raises Refused if no plan lists that, if the option is in no
    table, and for an export over a file that no plan lists.
    """
    if words[0] == "--export":
        permits.check(words[2], key_of(words[2]), "overwrite")
    else:
        permits.check_command(words[0], _OPTIONS, loses)
    environment = {"WSL_UTF8": "1"}
    return run(file, list(words), seconds, stdin=stdin or b"", environment=environment, reads=reads, **more)


def inside(file, name, words, *, stdin=None, reads=False, seconds=SECONDS, go_on=False):
    """Run a program in a distribution, as root. With --exec, no shell of the user interprets the arguments."""
    return wsl(file, ["-d", name, "-u", "root", "--exec", *words], seconds, stdin=stdin, reads=reads, go_on=go_on)


def in_shell(file, name, script, **more):
    """Run a sh script in a distribution. It must not contain double quotes or backslashes, which would be changed."""
    return inside(file, name, ["/bin/sh", "-c", script], **more)


def check(answer, label, words):
    """Raise WslFailed if wsl.exe has failed or has not ended."""
    if answer.details.get("exit_code") != 0:
        raise WslFailed(label, words, answer)


def check_optional(answers):
    """Raise the first error of calls with ``go_on``, except errors about an object that does not exist."""
    for answer in answers:
        if answer.error is not None and answer.error.category != "ObjectNotFound":
            raise answer.error


def is_path(source):
    """Return whether an image is a file; otherwise it is a name in the online list."""
    return any(char in source for char in ("\\", "/", ":"))


# Reading --------------------------------------------------------------------------------------------------------------


def version_call(file):
    return wsl(file, ["--version"], _READ_SECONDS, reads=True, go_on=True)


def running_call(file):
    """The names of running distributions, one per line; with --quiet, the output is empty if there are none."""
    return wsl(file, ["--list", "--running", "--quiet"], _READ_SECONDS, reads=True, go_on=True)


def online_call(file):
    return wsl(file, ["--list", "--online"], _READ_SECONDS, reads=True, go_on=True)


def read_online(answer):
    """The names of the online list: the first word of each line after the heading, which begins with NAME."""
    lines = decoded(answer.bytes("stdout")).splitlines() if answer.details.get("exit_code") == 0 else []
    start = next((number for number, line in enumerate(lines) if line.startswith("NAME ")), len(lines))
    return [line.split()[0] for line in lines[start + 1 :] if line.strip()]


def read_versions(answer):
    """The versions that ``--version`` prints, by their order, because their labels are translated; () on inbox."""
    if answer.error is not None or answer.details.get("exit_code") != 0:
        return ()
    return tuple(re.findall(r"(\d[\w.-]*)\s*$", decoded(answer.bytes("stdout")), re.MULTILINE))


def number_of(version):
    """A version as numbers, such as (2, 6, 3)."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def read_running(answer):
    return {line.strip() for line in decoded(answer.bytes("stdout")).splitlines() if line.strip()}


def registry_calls():
    """The settings of the user, and all distributions, kept as ``distros``."""
    root = {"LiteralPath": [LXSS]}
    shown = properties("DefaultDistribution", "DefaultVersion")
    return [
        call(f"{_MANAGEMENT}\\Get-ItemProperty", root, show=shown, go_on=True),
        call(f"{_MANAGEMENT}\\Get-ItemProperty", {"Path": [f"{LXSS}\\*"]}, keep="distros", show=_KEYS, go_on=True),
    ]


def read_distros(answer):
    """The raw distributions, without keys that are not a GUID, and without broken ones, which have no name or path."""
    found = [one for one in answer.objects if (one.get("PSChildName") or "").startswith("{")]
    return [one for one in found if one.get("DistributionName") and one.get("BasePath")]


def named_in(answer, name):
    """The raw distribution with this name, in any case, or None; ``answer`` is that to ``registry_calls``."""
    return next((raw for raw in read_distros(answer) if raw["DistributionName"].lower() == name.lower()), None)


def disk_calls():
    """The virtual disks of the distributions that ``registry_calls`` has kept: files, then sizes."""
    files = {"LiteralPath": Ref("folders"), "Filter": "*.vhdx"}
    size = properties("ImagePath", "Size")
    return [
        pick("distros", "folders", path=["BasePath"], one=False),
        call(f"{_MANAGEMENT}\\Get-ChildItem", files, keep="files", show=properties("FullName", "Attributes", "Length"),
             partial=True, go_on=True),
        pick("files", "paths", path=["FullName"], one=False),
        call("Storage\\Get-DiskImage", {"ImagePath": Ref("paths")}, show=size, partial=True, go_on=True),
    ]  # fmt: skip


def is_vm(raw):
    """Whether it is a WSL 2 distribution. Its registry value Version is the version of the file system."""
    return bool((raw.get("Flags") or 0) & _VM_MODE)


def folder_of(raw):
    return raw["BasePath"].removeprefix(_LONG_PATH)


def export_file(folder, name):
    """The temporary file for cloning a distribution into ``folder``: beside that directory, identified by its name.

    The option ``export`` never creates a file of this name, also not temporarily.
    """
    return f"{ntpath.dirname(folder)}\\{name}.polyvirt-clone.tar"


def disk_of(raw):
    """The path of its virtual disk; of a distribution of version 1, that of the directory with its files."""
    return f"{folder_of(raw)}\\{(raw.get('VhdFileName') or 'ext4.vhdx') if is_vm(raw) else 'rootfs'}"


def stamp_calls(file, raw):
    """Calls that read what changes when an export, or the disk of its distribution, is written to; see ``stamp_in``."""
    return [file_call(file), file_call(disk_of(raw))]


def stamp_in(path, answers):
    """Return (version of the file, the text with which a record identifies a complete export to ``path``)."""
    file, disk = map(version_in, answers)
    return file, " ".join(map(str, (key_of(path), file, disk)))


def whole_call(file, seconds=SECONDS):
    """A call that reads an export to its end; ``is_whole`` reads the answer."""
    if file.lower().endswith(".vhdx"):
        return call("Storage\\Get-DiskImage", {"ImagePath": [file]}, show=properties("Size"), go_on=True)
    # Without --exclude, it would print the names of all files of the distribution.
    return run(_TAR, ["-tf", file, "--exclude=*"], seconds, stdin=b"", reads=True, go_on=True)


def is_whole(answer):
    return answer.error is None and (answer.details.get("exit_code") == 0 or any(one["Size"] for one in answer.objects))


# Changing -------------------------------------------------------------------------------------------------------------


def guard(vm_id, name):
    """Calls that fail if the registry key ``vm_id`` is missing or does not have this name any more."""
    path = {"LiteralPath": [f"{LXSS}\\{vm_id}"]}
    return [
        call(f"{_MANAGEMENT}\\Get-ItemProperty", path, keep="distro"),
        pick("distro", "same", conditions={"DistributionName": name}),
    ]


def guard_of_files(raw):
    """Calls like ``guard``, which fail too if the distribution does not have the same files any more."""
    files = {name: raw[name] for name in ("BasePath", "VhdFileName", "Flags") if raw.get(name) is not None}
    *calls, same = guard(raw["PSChildName"], raw["DistributionName"])
    return [*calls, same, pick("same", "files", conditions=files)]


def unregister(file, vm_id, raw, seconds=SECONDS):
    """A call that unregisters a distribution: WSL deletes its key, and the disk that the key names. Raises Refused if
    no plan lists them. ``guard_of_files`` belongs in the same request.
    """
    permits.check(disk_of(raw), key_of(disk_of(raw)))
    return wsl(file, ["--unregister", raw["DistributionName"]], seconds, loses=("vm", vm_id))


def set_value(vm_id, name, value):
    """Set a value of a distribution's key."""
    kind = "DWord" if isinstance(value, int) else "String"
    given = {"LiteralPath": [f"{LXSS}\\{vm_id}"], "Name": name, "Value": value, "Type": kind}
    return call(f"{_MANAGEMENT}\\Set-ItemProperty", given)


def mark_calls(name, folder, text):
    """Calls that set the mark of a new distribution in this directory, after ``registry_calls``.

    They fail if there is none, such as if somebody else has registered one with this name elsewhere.
    """
    arguments = {"LiteralPath": Ref("key"), "Name": MARK, "Value": text, "Type": "String"}
    return [
        pick("distros", "new", conditions={"DistributionName": name, "BasePath": [folder, f"{_LONG_PATH}{folder}"]}),
        pick("new", "key", path=["PSPath"]),
        call(f"{_MANAGEMENT}\\Set-ItemProperty", arguments),
    ]


# The scheduled task ---------------------------------------------------------------------------------------------------


def task_call(verb, vm_id, go_on=False, **more):
    """A command (``verb``: Get, Start, ...) for the scheduled task of a distribution."""
    given = {"TaskName": vm_id, "TaskPath": TASKS, **more}
    shown = properties("LastTaskResult") if verb == "Get" else None
    command = f"{verb}-ScheduledTaskInfo" if verb == "Get" else f"{verb}-ScheduledTask"
    return call(f"ScheduledTasks\\{command}", given, show=shown, go_on=go_on)


def tasks_call():
    """The scheduled tasks of all distributions."""
    shown = properties(
        "TaskName", "State", Actions=properties("Execute", "Arguments"), Principal=properties("LogonType"),
        Settings=properties("ExecutionTimeLimit"),
    )  # fmt: skip
    return call("ScheduledTasks\\Get-ScheduledTask", {"TaskPath": TASKS}, show=shown, go_on=True)


def task_action(file, name):
    """(program, arguments) of a scheduled task. It runs forever: WSL stops a distribution in which no program runs."""
    file = file.replace("%ProgramW6432%", "%ProgramFiles%")
    shown = f'"{name}"' if re.search(r"\s", name) else name
    return file, f'-d {shown} --exec /bin/sh -c "{_FOREVER}"'


def task_definition(file, name, sid, at_logon, enabled):
    """The XML definition of a scheduled task: no time limit, one instance, started again every five minutes."""
    program, arguments = task_action(file, name)
    repeated = "<Repetition><Interval>PT5M</Interval></Repetition>"
    logon = f"<LogonTrigger>{repeated}<UserId>{sid}</UserId></LogonTrigger>"
    triggers = logon if at_logon else f"<BootTrigger>{repeated}</BootTrigger>{logon}"
    return (
        '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">'
        "<RegistrationInfo><Description>Keeps a WSL distribution started.</Description></RegistrationInfo>"
        f"<Triggers>{triggers}</Triggers>"
        f'<Principals><Principal id="Author"><UserId>{sid}</UserId>'
        f"<LogonType>{'InteractiveToken' if at_logon else 'S4U'}</LogonType><RunLevel>LeastPrivilege</RunLevel>"
        "</Principal></Principals><Settings><MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>"
        "<DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>"
        "<StopIfGoingOnBatteries>false</StopIfGoingOnBatteries><StartWhenAvailable>true</StartWhenAvailable>"
        "<ExecutionTimeLimit>PT0S</ExecutionTimeLimit>"
        "<RestartOnFailure><Interval>PT1M</Interval><Count>3</Count></RestartOnFailure>"
        f"<Enabled>{'true' if enabled else 'false'}</Enabled></Settings>"
        f'<Actions Context="Author"><Exec><Command>{escape(program)}</Command>'
        f"<Arguments>{escape(arguments)}</Arguments></Exec></Actions></Task>"
    )


def kept_by(task, file, name):
    """How a scheduled task keeps a distribution started: "true", "at_logon", or "other" if it differs from ours."""
    actions = task.get("Actions") or [{}]
    found = (actions[0].get("Execute"), actions[0].get("Arguments"))
    limit = (task.get("Settings") or {}).get("ExecutionTimeLimit")
    if found != task_action(file, name) or limit != "PT0S":
        return "other"
    return {"S4U": "true", "Interactive": "at_logon"}.get((task.get("Principal") or {}).get("LogonType"), "other")
