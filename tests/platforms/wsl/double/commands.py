# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PowerShell commands of a WSL host: registry, disk images, features, scheduled tasks; files are Hyper-V's."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from platforms.hyperv.double import windows as file_commands
from platforms.hyperv.double.calls import COMMANDS as ALL_COMMANDS
from platforms.hyperv.double.calls import owner_of
from platforms.windows.binder import Command
from platforms.windows.failures import Failed
from platforms.windows.objects import NetObject, like
from platforms.windows.programs import split

LXSS = "HKCU:\\Software\\Microsoft\\Windows\\CurrentVersion\\Lxss"
_OWN = ("Get-ItemProperty", "Set-ItemProperty", "Get-WindowsOptionalFeature")
_NAMESPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
#: Values of LastTaskResult: the task runs, it never ran, its logon failed.
RUNNING, NEVER, LOGON_REFUSED = 0x00041301, 0x00041303, 0x80070569
_CIM = {"CimSession": {"aliases": ["Session"], "sets": {"*": {}}, "type": "CimSession[]"}}
#: The signature of Get-DiskImage, from the documentation of the module Storage.
_DISK_IMAGE = {
    "default_set": "ByImagePath",
    "impact": None,
    "as_job": True,
    "parameters": {
        **_CIM,
        "DevicePath": {"sets": {"ByDevicePath": {"mandatory": True}}, "type": "string[]"},
        "ImagePath": {"sets": {"ByImagePath": {"mandatory": True, "position": 0}}, "type": "string[]"},
        "StorageType": {"sets": {"*": {}}, "type": "uint32"},
        "ThrottleLimit": {"sets": {"*": {}}, "type": "int"},
    },
}
#: {element of a task's XML definition: the elements that it may contain}
_SCHEMA = {
    "Task": {"RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"},
    "RegistrationInfo": {"Description", "Author", "URI"},
    "Triggers": {"BootTrigger", "LogonTrigger"},
    "BootTrigger": {"Repetition", "Enabled"},
    "LogonTrigger": {"Repetition", "Enabled", "UserId"},
    "Repetition": {"Interval", "Duration", "StopAtDurationEnd"},
    "Principals": {"Principal"},
    "Principal": {"UserId", "LogonType", "RunLevel"},
    "Settings": {
        "MultipleInstancesPolicy", "DisallowStartIfOnBatteries", "StopIfGoingOnBatteries", "StartWhenAvailable",
        "ExecutionTimeLimit", "RestartOnFailure", "Enabled", "AllowHardTerminate", "IdleSettings",
    },
    "RestartOnFailure": {"Interval", "Count"},
    "Actions": {"Exec"},
    "Exec": {"Command", "Arguments"},
}  # fmt: skip
_LOGONS = {"S4U": "S4U", "InteractiveToken": "Interactive", "Password": "Password"}
HANDLERS = {
    "Test-Path": file_commands.test_path,
    "Get-ChildItem": file_commands.get_children,
    "Get-FileHash": file_commands.get_hashes,
    "Get-Item": file_commands.get_items,
    "New-Item": file_commands.new_item,
    "Remove-Item": file_commands.remove_items,
    "Move-Item": file_commands.move_items,
    "Get-Volume": file_commands.get_volumes,
}


def handles(*names):
    def register(function):
        HANDLERS.update(dict.fromkeys(names, function))
        return function

    return register


def commands():
    """The list of the host's commands."""
    found = [one for one in ALL_COMMANDS if one.name in {*HANDLERS, *_OWN} or one.module == "ScheduledTasks"]
    types = found[0].types
    return [
        *found,
        Command("Get-DiskImage", _DISK_IMAGE, types, False, "Storage", owner_of("Get-DiskImage", "Storage")),
    ]


def _failed(call, id_, category, key, code=0x80131501, **values):
    return Failed(f"{id_},{call.command.owner}", category, call.host.text(key).format(**values), hresult=code)


# Registry


def _keys(call):
    """{path of a key: {value: data}} of WSL's keys in the user's hive."""
    host = call.host
    if not host.distros and not host.default_version:
        return {}
    root = {"DefaultDistribution": host.default, "DefaultVersion": host.default_version}
    found = {LXSS: {name: value for name, value in root.items() if value is not None}, f"{LXSS}\\MSI": {"Version": "2"}}
    return {**found, **{f"{LXSS}\\{guid}": distro.registry() for guid, distro in host.distros.items()}}


@handles("Get-ItemProperty")
def get_property(call):
    keys = _keys(call)
    for path in call.get("LiteralPath") or call.get("Path", ()):
        is_pattern = "LiteralPath" not in call.given
        found = [one for one in keys if (like(one, path) if is_pattern else one.lower() == path.lower())]
        found = [one for one in found if one.count("\\") == path.count("\\")]
        if not found and "*" not in path:
            call.context.error(_failed(call, "PathNotFound", "ObjectNotFound", "file", name=path))
        for one in sorted(found):
            yield NetObject("PSCustomObject", **keys[one], PSChildName=one.rpartition("\\")[2], PSPath=one)


@handles("Set-ItemProperty")
def set_property(call):
    for path in call.get("LiteralPath") or call.get("Path", ()):
        distro = call.host.distros.get(path.rpartition("\\")[2].lower())
        if distro is None or path.rpartition("\\")[0].lower() != LXSS.lower():
            raise _failed(call, "PathNotFound", "ObjectNotFound", "file", name=path)
        name, value = call.get("Name"), call.get("Value")
        if name == "DefaultUid":
            distro.uid = int(value)
        else:
            distro.values[name] = value
    return ()


# Storage and features


@handles("Get-DiskImage")
def get_image(call):
    for path in call.get("ImagePath", ()):
        disk = call.host.files.vhd(path)
        if disk is None or call.host.knobs.denies_disk_images:
            call.context.error(_failed(call, "HRESULT 0x80070002", "ObjectNotFound", "file", name=path))
        else:
            about = {"ImagePath": call.host.files.name(path), "Size": disk.size, "FileSize": disk.length}
            yield NetObject("Microsoft.Management.Infrastructure.CimInstance#MSFT_DiskImage", **about, Attached=False)


@handles("Get-WindowsOptionalFeature")
def get_feature(call):
    for name, state in call.host.features.items():
        if not call.get("FeatureName") or like(name, call.get("FeatureName")):
            yield NetObject("Microsoft.Dism.Commands.AdvancedFeatureObject", FeatureName=name, State=state)


# Scheduled tasks


@dataclass
class Task:
    """A scheduled task; ``is_running`` is True while its program runs."""

    path: str
    name: str
    xml: str
    is_running: bool = False
    result: int = NEVER
    is_enabled: bool = True

    def value(self, *names):
        found = ElementTree.fromstring(self.xml).find("/".join(f"{_NAMESPACE}{name}" for name in names))
        return None if found is None else found.text

    @property
    def words(self):
        return split(self.value("Actions", "Exec", "Arguments") or "")


def _check_definition(call, element):
    name = element.tag.removeprefix(_NAMESPACE)
    if name not in _SCHEMA and len(element):
        raise _failed(call, "HRESULT 0x80041319", "InvalidArgument", "file", 0x80041319, name=name)
    for inner in element:
        if inner.tag.removeprefix(_NAMESPACE) not in _SCHEMA.get(name, ()):
            raise _failed(call, "HRESULT 0x80041316", "InvalidArgument", "file", 0x80041316, name=inner.tag)
        _check_definition(call, inner)


def _view(task):
    kind = "Microsoft.Management.Infrastructure.CimInstance#Root/Microsoft/Windows/TaskScheduler/MSFT_"
    state = "Disabled" if not task.is_enabled else "Running" if task.is_running else "Ready"
    action = {
        "Execute": task.value("Actions", "Exec", "Command"),
        "Arguments": task.value("Actions", "Exec", "Arguments"),
    }
    logon = _LOGONS[task.value("Principals", "Principal", "LogonType")]
    principal = {"UserId": task.value("Principals", "Principal", "UserId"), "LogonType": logon, "RunLevel": "Limited"}
    limit = task.value("Settings", "ExecutionTimeLimit") or "PT72H"
    return NetObject(
        f"{kind}ScheduledTask",
        TaskName=task.name,
        TaskPath=task.path,
        State=state,
        Description=task.value("RegistrationInfo", "Description"),
        Actions=[NetObject(f"{kind}TaskExecAction", **action)],
        Principal=NetObject(f"{kind}TaskPrincipal2", **principal),
        Settings=NetObject(f"{kind}TaskSettings3", ExecutionTimeLimit=limit, Enabled=task.is_enabled),
    )


def _tasks(call):
    """The tasks that the arguments select; fails if there are none."""
    path, names = call.get("TaskPath", "\\"), call.get("TaskName")
    names = [names] if isinstance(names, str) else names
    paths = [path] if isinstance(path, str) else path
    found = [
        task
        for task in call.host.tasks.values()
        if any(like(task.path, one) for one in paths) and (not names or any(like(task.name, one) for one in names))
    ]
    if not found:
        what = "TaskName" if names else "TaskPath"
        raise _failed(call, f"CmdletizationQuery_NotFound_{what}", "ObjectNotFound", "task", name=what)
    return found


@handles("Get-ScheduledTask")
def get_tasks(call):
    return map(_view, _tasks(call))


@handles("Get-ScheduledTaskInfo")
def get_info(call):
    for task in _tasks(call):
        yield NetObject("MSFT_TaskDynamicInfo", TaskName=task.name, TaskPath=task.path, LastTaskResult=task.result)


@handles("Register-ScheduledTask")
def register(call):
    path, name = call.get("TaskPath", "\\"), call.get("TaskName")
    root = ElementTree.fromstring(call.get("Xml"))
    _check_definition(call, root)
    if (path, name) in call.host.tasks and not call.get("Force"):
        raise _failed(call, "HRESULT 0x800700b7", "ResourceExists", "file", 0x800700B7, name=name)
    if not call.host.windows.about["elevated"] and "S4U" in call.get("Xml"):
        raise _failed(call, "HRESULT 0x80070005", "PermissionDenied", "access", 0x80070005)
    task = Task(path, name, call.get("Xml"))
    task.is_enabled = (task.value("Settings", "Enabled") or "true") == "true"
    if (path, name) in call.host.tasks:
        call.host.end_task(call.host.tasks[path, name])
    call.host.tasks[path, name] = task
    return [_view(task)]


@handles("Start-ScheduledTask")
def start(call):
    for task in _tasks(call):
        if not task.is_enabled:
            raise _failed(call, "HRESULT 0x80041326", "NotSpecified", "task_disabled", 0x80041326)
        call.host.start_task(task)
    return ()


@handles("Stop-ScheduledTask")
def stop(call):
    for task in _tasks(call):
        call.host.end_task(task)
    return ()


@handles("Enable-ScheduledTask", "Disable-ScheduledTask")
def enable(call):
    for task in _tasks(call):
        task.is_enabled = call.command.name.startswith("Enable")
        yield _view(task)


@handles("Unregister-ScheduledTask")
def unregister(call):
    for task in _tasks(call):
        # Its program continues until somebody ends it.
        del call.host.tasks[task.path, task.name]
    return ()
