# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of a command: its arguments, the objects that they select, and its errors."""

from __future__ import annotations

import itertools

from platforms.hyperv.double.records import NO_ID
from platforms.windows.binder import Command
from platforms.windows.conversions import Types
from platforms.windows.failures import Failed
from platforms.windows.golden_answers import load
from platforms.windows.objects import NetObject, has_wildcards, like

_OWN, _OTHER = load("hyperv_signatures"), load("other_signatures")
CLASSES = {**_OTHER["objects"], **_OWN["classes"], "VMHost": _OTHER["objects"]["VMHost"]}
#: Set-VMFirmware accepts the entries of the boot order that Get-VMFirmware returns.
_BASES = {**_OWN["bases"], "VMBootSource": "VMComponentObject"}
_TYPES = Types({**_OTHER["enums"], **_OWN["enums"]}, _BASES)
#: The commands of these modules are generated functions; those of all other modules are compiled cmdlets.
_FUNCTIONS = {"NetNat", "NetTCPIP", "NetAdapter", "Storage", "ScheduledTasks"}
_ITEMS = ("Microsoft.PowerShell.Management", "Microsoft.PowerShell.Utility", "Microsoft.PowerShell.Security")
_VHD_OWNERS = {"Get-VHD": "GetVHD", "New-VHD": "NewVhd"}
CATEGORIES = {
    "AccessDenied": "PermissionDenied",
    "NotSupported": "InvalidOperation",
    "OperationTimeout": "OperationTimeout",
    "InvalidParameter": "InvalidArgument",
    "ObjectInUse": "ResourceBusy",
    "InvalidState": "InvalidOperation",
    "StatusUnavailable": "ResourceUnavailable",
    "OutOfMemory": "FromStdErr",
    "ObjectNotFound": "ObjectNotFound",
    "RebootRequired": "FromStdErr",
    "OperationFailed": "NotSpecified",
    "InvalidOperation": "InvalidOperation",
    "FileNotFound": "ObjectNotFound",
    "Unspecified": "NotSpecified",
}
IN_USE, FILE_EXISTS, NO_FILE, NO_PATH, DISK_FULL, ACCESS, NO_MEMORY, BROKEN = (
    0x80070020,
    0x80070050,
    0x80070002,
    0x80070003,
    0x80070070,
    0x80070005,
    0x8007000E,
    0xC03A000E,
)
#: {name of a command: function that carries out a Call and returns objects}
HANDLERS = {}


def handles(*names):
    """Register the decorated function as the handler of these commands."""

    def register(function):
        HANDLERS.update(dict.fromkeys(names, function))
        return function

    return register


def owner_of(name, module):
    short = name.replace("-", "")
    if module in _FUNCTIONS:
        return name
    if module in _ITEMS:
        return f"Microsoft.PowerShell.Commands.{short}Command"
    if module != "Hyper-V":
        return f"Microsoft.{module}.Commands.{short}Command"
    if name.endswith("-VHD"):
        return f"Microsoft.Vhd.PowerShell.Cmdlets.{_VHD_OWNERS.get(name, short.replace('VHD', 'Vhd'))}"
    return f"Microsoft.HyperV.PowerShell.Commands.{short}"


def _command(name, signature, module):
    return Command(name, signature, _TYPES, module not in _FUNCTIONS, module, owner_of(name, module))


def _taking_names(signature):
    """The signature with strings instead of Feature objects, because a name is accepted as a feature of Windows."""
    parameters = {
        name: {**about, "type": "string[]"} if about["type"] == "Feature[]" else about
        for name, about in signature["parameters"].items()
    }
    return {**signature, "parameters": parameters}


COMMANDS = [_command(name, signature, "Hyper-V") for name, signature in _OWN["cmdlets"].items()]
COMMANDS += [_command(name, _taking_names(one), one["module"]) for name, one in _OTHER["cmdlets"].items()]


class View(NetObject):
    """An object that a command returns; ``record`` is the record of the host that it shows, ``owner`` its VM."""

    def __init__(self, class_, record, owner=None, /, **properties):
        super().__init__(class_, **properties)
        self.record, self.owner = record, owner


def listed(value):
    return value if isinstance(value, (list, tuple)) else [value]


class Call:
    """A command that is carried out on a host."""

    def __init__(self, host, context, command, bound):
        self.host, self.context, self.command = host, context, command
        self.knobs, self.given, self.set = host.knobs, dict(bound.values), bound.set

    def get(self, name, default=None):
        value = self.given.get(name)
        return default if value is None else value

    def changes(self, names):
        """{property: value} of the given parameters; ``names`` is {parameter: property}."""
        return {prop: self.given[name] for name, prop in names.items() if self.given.get(name) is not None}

    # Errors

    def failed(self, head, key, *, code=None, category=None, target="", details=(), **values):
        """An error with the text of ``key`` and those of ``details``. Messages of all languages contain the HRESULT."""
        texts = [self.host.text(one, **values) for one in (key, *details)]
        message = "\r\n\r\n".join(texts) + (f" (0x{code:08X})." if code else "")
        type_ = "Microsoft.HyperV.PowerShell.VirtualizationException"
        head_and_owner = f"{head},{self.command.owner}"
        return Failed(head_and_owner, category or CATEGORIES[head], message, target, type_)

    def state_error(self, device=None):
        """The error about a VM in a state that does not allow the command."""
        if device:
            return self.failed("InvalidState", "device", details=("state",), name=device)
        return self.failed("InvalidState", "state")

    def bad(self, name):
        """The error about a value that the command does not accept."""
        return self.failed("InvalidParameter", "parameter", name=name)

    def operation(self, key, code, **values):
        """The error of a failed job of the Virtual Machine Management service."""
        return self.failed("OperationFailed", key, code=code, **values)

    def ask(self):
        """Ask for confirmation: fails unless Force or AsJob is given, because nobody can answer."""
        if not (self.get("Force") or self.get("AsJob")):
            raise self.failed("InvalidOperation", "prompt")

    def each(self, targets, act):
        """The objects that ``act`` yields for each target; an error of one target does not stop the others."""
        for target in targets:
            try:
                yield from act(target) or ()
            except Failed as failed:
                self.context.error(failed)

    def passed(self, objects):
        """The objects if Passthru is given, else nothing."""
        return list(objects) if self.get("Passthru") else ()

    # Objects

    def vms(self):
        """The VMs that the parameters VM, Name or VMName select."""
        for view in listed(self.get("VM", ())):
            yield from self._found([one for one in self.host.vms if one is view.record], view.record.name)
        parameter = "VMName" if "VMName" in self.command.parameters else "Name"
        for name in listed(self.get(parameter, ())):
            found = [one for one in self.host.vms if like(one.name, name)]
            yield from found if has_wildcards(name) else self._found(found, name)

    def _found(self, found, name):
        if not found:
            self.context.error(self.failed("ObjectNotFound", "found", name=name))
        return found

    def owners(self):
        """The VMs, or the one checkpoint, from which a command reads."""
        return [self.given["VMSnapshot"].record] if self.get("VMSnapshot") else self.vms()

    def on_vms(self, act):
        """Call ``act`` for each VM; its errors do not stop the others. With Passthru, return the VMs."""
        return self.each(self.vms(), lambda vm: itertools.chain(act(vm) or (), self.passed([self.host.views.vm(vm)])))

    def is_running(self, vm):
        """Whether the VM is not off; a saved VM counts as running, too."""
        return vm.state != "Off"

    def need_off(self, vm, device):
        if self.is_running(vm):
            raise self.state_error(device)

    def need_live(self, vm, device):
        """Fail unless the VM is off, or is running or paused on a host that allows changes of running VMs."""
        is_live = vm.state in ("Running", "Paused")
        if self.is_running(vm) and not is_live:
            raise self.state_error(device)

    def device(self, view):
        """(VM, device) of a device's object. Fails if the device no longer exists, or belongs to a checkpoint."""
        owner, record = view.owner, view.record
        device = owner.hardware.device(record.key)
        if device is None or owner not in self.host.vms:
            raise self.failed("ObjectNotFound", "nic" if "Adapter" in view.classname else "failed")
        return owner, device

    def switch(self, name):
        """The switch with this name; fails if there is none."""
        found = [one for one in self.host.switches if like(self.host.switch_name(one), name)]
        if not found:
            raise self.failed(self.knobs.unknown_switch, "switch", name=name)
        return found[0]

    def wait(self, seconds):
        self.context.wait(seconds)

    def transition(self, vm, transient, final, seconds):
        """Set the state ``transient``, and ``final`` after some seconds, unless another transition begins before."""
        token = object()
        vm.state, vm.transition = transient, token
        self.host.clock.at(seconds, lambda: self.host.reach(vm, final) if vm.transition is token else None)
        self.wait(seconds)

    def warn(self, key, **values):
        self.context.warn(self.host.text(key, **values))


COMMON = {"ComputerName": "HOST", "IsDeleted": False}


def component(owner):
    """The properties that show to which VM or checkpoint a device belongs."""
    vm = getattr(owner, "vm", None)
    of_snapshot = {"VMSnapshotId": owner.id, "VMSnapshotName": owner.name} if vm else {}
    whole = vm or owner
    none = {"VMSnapshotId": NO_ID, "VMSnapshotName": ""}
    return {"VMId": whole.id, "VMName": whole.name, **none, **of_snapshot, **COMMON}
