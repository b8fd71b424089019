# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Features of Windows, and the CIM classes about the computer."""

from __future__ import annotations

from platforms.hyperv.double.calls import View, handles
from platforms.hyperv.double.views import shown
from platforms.windows.failures import Failed
from platforms.windows.objects import NetObject, like

_ALL, _TOOLS = "Microsoft-Hyper-V-All", "Microsoft-Hyper-V-Tools-All"
_WSL = {"VirtualMachinePlatform": None, "Microsoft-Windows-Subsystem-Linux": None}
#: {optional feature of a client: its parent feature, or None}
_CLIENT = {
    _ALL: None,
    "Microsoft-Hyper-V": _ALL,
    "Microsoft-Hyper-V-Hypervisor": "Microsoft-Hyper-V",
    "Microsoft-Hyper-V-Services": "Microsoft-Hyper-V",
    _TOOLS: _ALL,
    "Microsoft-Hyper-V-Management-PowerShell": _TOOLS,
    "Microsoft-Hyper-V-Management-Clients": _TOOLS,
    **_WSL,
}
_SERVER = {
    "Hyper-V": None,
    "RSAT-Hyper-V-Tools": None,
    "Hyper-V-PowerShell": "RSAT-Hyper-V-Tools",
    "Hyper-V-Tools": "RSAT-Hyper-V-Tools",
    **_WSL,
}
#: Features that become active at the next start of Windows.
_AT_START = {"Hyper-V", *list(_CLIENT)[1:4], *_WSL}
_UNKNOWN, _ELEVATION = 0x800F080C, 0x800702E4
_STATES = {"Enabled": "Installed", "EnablePending": "InstallPending", "DisablePending": "UninstallPending"}
_PENDING = {"EnablePending": "Enabled", "DisablePending": "Disabled"}


class Features:
    """``states`` is {feature: its state in DISM's terms}; ``remove`` simulates an edition without a feature."""

    def __init__(self, client):
        self._parents = dict(_CLIENT if client else _SERVER)
        self._platform = "Microsoft-Hyper-V" if client else "Hyper-V"
        self._module = "Microsoft-Hyper-V-Management-PowerShell" if client else "Hyper-V-PowerShell"
        self.states = dict.fromkeys(self._parents, "Disabled")

    @property
    def hyperv(self):
        return self.states.get(self._platform, "Disabled")

    @property
    def has_module(self):
        return self.states.get(self._module) == "Enabled"

    @property
    def is_pending(self):
        return bool(set(self.states.values()) & set(_PENDING))

    def set_hyperv(self, state):
        self.states.update({name: state for name in self.states if name not in _WSL})

    def remove(self, *names):
        for name in names:
            self.states.pop(name, None)

    def find(self, name):
        """The feature with this name (case is ignored), or None."""
        return next((one for one in self.states if one.lower() == name.lower()), None)

    def enable(self, name):
        """Enable a feature and its parents; features that need a restart are pending until then."""
        while name:
            if self.states[name] != "Enabled":
                self.states[name] = "EnablePending" if name in _AT_START else "Enabled"
            name = self._parents[name]

    def parents(self, name):
        found = []
        while self._parents[name]:
            name = self._parents[name]
            found.append(name)
        return found

    def restart(self):
        """Apply the pending changes at a start of Windows."""
        self.states = {name: _PENDING.get(state, state) for name, state in self.states.items()}


def _dism_error(call, code, message):
    type_ = "System.Runtime.InteropServices.COMException"
    return Failed(call.command.owner, "NotSpecified", message, "", type_, code)


def _dism_features(call, names):
    """The features with these names; fails with the errors of DISM."""
    if call.host.access != "full":
        raise _dism_error(call, _ELEVATION, "The requested operation requires elevation.")
    features = call.host.features
    for name in names:
        if features.find(name) is None:
            raise _dism_error(call, _UNKNOWN, call.host.text("failed"))
        yield features.find(name)


@handles("Get-WindowsOptionalFeature")
def get_feature(call):
    features = call.host.features
    for name in list(_dism_features(call, [call.get("FeatureName")] if call.get("FeatureName") else features.states)):
        about = {"FeatureName": name, "State": features.states[name], "Online": True}
        about |= {"RestartNeeded": features.states[name] in _PENDING, "RestartRequired": "Possible"}
        yield shown("AdvancedFeatureObject", "Microsoft.Dism.Commands.", name, **about)


@handles("Enable-WindowsOptionalFeature")
def set_feature(call):
    features = call.host.features
    for name in list(_dism_features(call, call.get("FeatureName"))):
        if not call.get("All") and any(features.states[one] != "Enabled" for one in features.parents(name)):
            raise _dism_error(call, 0x800F0922, call.host.text("failed"))
        features.enable(name)
    call.host.load()
    if features.is_pending and not call.get("NoRestart"):
        # The command asks whether to restart now, which nobody can answer.
        raise call.failed("InvalidOperation", "prompt")
    return [shown("ImageObject", "Microsoft.Dism.Commands.", None, Online=True, RestartNeeded=features.is_pending)]


@handles("Get-WindowsFeature")
def get_server_feature(call):
    features = call.host.features
    for name in features.states:
        if not call.get("Name") or any(like(name, one) for one in call.get("Name")):
            state = _STATES.get(features.states[name], "Available")
            about = {"Name": name, "InstallState": state, "Installed": state == "Installed"}
            yield shown("Feature", "Microsoft.Windows.ServerManager.Commands.", name, **about)


def _role_error(call, id_, category):
    return Failed(f"{id_},{call.command.owner}", category, call.host.text("failed"))


@handles("Install-WindowsFeature")
def install_feature(call):
    host, features = call.host, call.host.features
    before = dict(features.states)
    if host.access != "full":
        raise _role_error(call, "DISMAPI_Error__Failed_To_Start_Enumeration", "PermissionDenied")
    for name in call.get("Name") or ():
        if features.find(name) is None:
            raise _role_error(call, "NameDoesNotExist", "InvalidArgument")
        if name.lower() == "hyper-v" and not host.firmware_allows:
            raise _role_error(call, "Alteration_PrerequisiteCheck_Failed", "InvalidOperation")
        features.enable(features.find(name))
    host.load()
    about = {"Success": True, "RestartNeeded": "Yes" if features.is_pending else "No", "ExitCode": "NoChangeNeeded"}
    if features.states != before:
        about["ExitCode"] = "SuccessRestartRequired" if features.is_pending else "Success"
    return [shown("FeatureOperationResult", "Microsoft.Windows.ServerManager.Commands.", None, **about)]


@handles("Get-CimInstance")
def get_instance(call):
    host, class_ = call.host, call.get("ClassName", "")
    build, is_virtual = host.windows.about["build"], host.feature == "Enabled"
    known = {
        "win32_operatingsystem": {
            "Version": f"10.0.{build}",
            "BuildNumber": f"{build}",
            "ProductType": 1 if host.client else 3,
            "FreePhysicalMemory": host.memory // 1024,
            "LastBootUpTime": host.views.when(host.booted),
        },
        "win32_computersystem": {
            "HypervisorPresent": is_virtual,
            "TotalPhysicalMemory": host.memory,
            "NumberOfLogicalProcessors": host.processors,
            "Name": host.name,
        },
        # If a hypervisor runs, Windows cannot read this value.
        "win32_processor": {"VirtualizationFirmwareEnabled": host.firmware_allows and not is_virtual},
    }
    if class_.lower() == "msvm_keyboard" and call.get("Namespace", "").lower() == "root\\virtualization\\v2":
        return [
            View("CimInstance", vm, vm, SystemName=vm.id.upper(), CreationClassName="Msvm_Keyboard")
            for vm in host.vms
            if call.get("Filter", "").lower() == f"systemname='{vm.id}'".lower()
        ]
    if class_.lower() not in known:
        raise Failed(f"NotImplementedInFake,{class_}", "NotImplemented", class_)
    return [NetObject(f"Microsoft.Management.Infrastructure.CimInstance#{class_}", **known[class_.lower()])]


@handles("Invoke-CimMethod")
def invoke_method(call):
    """TypeKey of Msvm_Keyboard: it presses and releases a key of a running VM."""
    keyboard, code = call.get("InputObject"), (call.get("Arguments") or {}).get("keyCode")
    if getattr(keyboard, "owner", None) is None or call.get("MethodName") != "TypeKey":
        raise Failed(f"NotImplementedInFake,{call.get('MethodName')}", "NotImplemented", "Invoke-CimMethod")
    if not isinstance(code, int) or not 0 < code < 255:
        return [NetObject("CimMethodResult", ReturnValue=32773)]
    if keyboard.owner.state != "Running":
        return [NetObject("CimMethodResult", ReturnValue=32775)]
    keyboard.owner.typed.append(code)
    return [NetObject("CimMethodResult", ReturnValue=0)]
