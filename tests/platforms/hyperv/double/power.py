# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power of VMs: transitions, shutdown by the guest, questions for confirmation, and restarts of the host."""

from __future__ import annotations

from platforms.hyperv.double import snapshots
from platforms.hyperv.double.calls import BROKEN, IN_USE, NO_FILE, NO_MEMORY, handles
from platforms.hyperv.double.records import NO_MAC

_RESTING = ("Off", "Saved", "FastSaved", "Hibernated")
#: The seconds of operations that never end: the double ends them after a day.
_DAY = 86400.0
#: Seconds after a pending shutdown request in which a power-off fails.
_TURN_OFF_REFUSED = 30.0
#: The property of a disk that several VMs may have.
_SHARED = "SupportPersistentReservations"
#: Seconds that the shutdown of a guest takes.
_SHUTDOWN = 2.0


def _start(call, vm):
    seconds = call.knobs.seconds
    if vm.state == "Running":
        call.warn("already")
    elif vm.state == "Paused":
        if call.knobs.start_paused == "fails":
            raise call.state_error()
        call.warn("paused", name=vm.name)
        call.transition(vm, "Resuming", "Running", seconds["resume"])
    elif vm.state in _RESTING:
        _check_start(call, vm)
        if vm.state == "Off":
            _boot(call.host, vm)
        for drive in vm.hardware.disks():
            call.host.files.change(drive.path)
        vm.started, vm.reads = call.host.clock.now(), 0
        call.transition(vm, "Starting", "Running", seconds["start"])
    else:
        raise call.state_error()


def _check_start(call, vm):
    host = call.host
    on = [one for one in host.vms if one.state not in _RESTING]
    if vm.hardware.memory["Startup"] + sum(one.hardware.memory["Startup"] for one in on) > host.memory:
        details = {"details": ("memory",), "name": vm.name, "code": NO_MEMORY}
        raise call.failed("OutOfMemory", "start", **details)
    for drive in vm.hardware.drives:
        for path in (host.files.chain(drive.path) or [drive.path]) if drive.path else ():
            content = host.files.file(path)
            parent = getattr(content, "parent", "")
            if content is None or (parent and host.files.file(parent) is None):
                raise call.operation("start", NO_FILE, name=vm.name)
            if getattr(content, "broken", False):
                raise call.operation("start", BROKEN, name=vm.name)
        is_merging = host.files.key(drive.path) in host.files.open
        if drive.kind == "disk" and ((is_merging and not _may_merge(call, vm)) or _is_used(host, vm, drive.path)):
            raise call.operation("start", IN_USE, name=vm.name)


def _may_merge(call, vm):
    return "MergingDisks" in vm.busy and call.knobs.start_while_merging


def _is_used(host, vm, path):
    """Whether another running VM writes to this disk or to one of its parents, or uses a disk on top of it.

    All VMs may have a disk at the same time if each of them has it as a shared disk.
    """
    files = host.files
    own = list(map(files.key, files.chain(path)))
    others = [one for one in host.vms if one is not vm and one.state not in _RESTING]
    drives = [drive for one in others for drive in one.hardware.disks()]
    if any(drive.path == path and drive.shown.get(_SHARED) for drive in vm.hardware.disks()):
        drives = [one for one in drives if not (files.key(one.path) == own[0] and one.shown.get(_SHARED))]
    chains = [list(map(files.key, files.chain(drive.path))) for drive in drives]
    return bool(own) and any(chain and (chain[0] in own or own[0] in chain) for chain in chains)


def _boot(host, vm):
    """The changes at a cold start: MAC addresses, TPM, the boot order, automatic checkpoints."""
    for nic in vm.hardware.nics:
        if nic.is_dynamic and nic.mac == NO_MAC:
            nic.mac = host.new_mac()
    if vm.hardware.security["TpmEnabled"]:
        vm.hardware.is_tpm_initialised = True
    if vm.shown.get("AutomaticCheckpointsEnabled") and vm.shown["CheckpointType"] != "Disabled":
        snapshots.take(host, vm, host.text("Automatic Checkpoint"), is_automatic=True)


@handles("Start-VM")
def start(call):
    return call.on_vms(lambda vm: _start(call, vm))


@handles("Stop-VM")
def stop(call):
    if call.get("Save"):
        return call.on_vms(lambda vm: _save(call, vm))
    return call.on_vms(lambda vm: _turn_off(call, vm) if call.get("TurnOff") else _shut_down(call, vm))


@handles("Save-VM")
def save(call):
    return call.on_vms(lambda vm: _save(call, vm))


def _save(call, vm):
    if vm.state == "Saved":
        call.warn("already")
    elif vm.state in ("Running", "Paused"):
        call.transition(vm, "Saving", "Saved", call.knobs.seconds["save"])
    else:
        raise call.state_error()


def _turn_off(call, vm):
    now = call.host.clock.now()
    if vm.state == "Off":
        call.warn("already")
        return
    is_asked = vm.shutdown_asked is not None
    is_refused = is_asked and now < vm.shutdown_asked + _TURN_OFF_REFUSED
    if is_refused or (not is_asked and vm.state not in ("Running", "Paused", "Saved", "FastSaved")):
        raise call.state_error()
    call.transition(vm, "Stopping" if vm.state == "Running" else vm.state, "Off", call.knobs.seconds["turn_off"])


def _shut_down(call, vm):
    if vm.state == "Off":
        call.warn("already")
        return
    is_heard = vm.hardware.services["Shutdown"] and call.host.answers(vm)
    if not is_heard:
        call.ask()
        _turn_off(call, vm)
    elif vm.state != "Running" or vm.shutdown_asked is not None:
        raise call.state_error()
    else:
        _ask_guest(call, vm)


def _ask_guest(call, vm):
    guest, is_forced = vm.guest, bool(call.get("Force"))
    vm.shutdown_asked = call.host.clock.now()
    if guest.shutdown == "obeys" or (guest.shutdown == "locked" and is_forced):
        call.transition(vm, "Stopping", "Off", _SHUTDOWN)
        return
    seconds = _SHUTDOWN
    if guest.shutdown == "hangs":
        seconds = _DAY if guest.hangs is None else guest.hangs
    # With Force, the command reports the error, and turns the VM off nevertheless.
    call.transition(vm, guest.hung_state, "Off" if is_forced else "Running", seconds)
    if vm.state != "Off" or is_forced:
        call.context.error(call.failed("OperationFailed", "stop", category="NotSpecified"))


@handles("Suspend-VM")
def suspend(call):
    def act(vm):
        if vm.state == "Paused":
            call.warn("already")
        elif vm.state == "Running":
            call.transition(vm, "Pausing", "Paused", 0.0)
        else:
            raise call.state_error()

    return call.on_vms(act)


@handles("Resume-VM")
def resume(call):
    def act(vm):
        if vm.state == "Running":
            call.warn("already")
        elif vm.state == "Paused":
            call.transition(vm, "Resuming", "Running", call.knobs.seconds["resume"])
        else:
            raise call.state_error()

    return call.on_vms(act)


@handles("Restart-VM")
def restart(call):
    def act(vm):
        is_reboot = call.get("Type") == "Reboot"
        if not is_reboot:
            call.ask()
        if vm.state != "Running" or (is_reboot and not call.host.answers(vm)):
            raise call.state_error()
        vm.started, vm.reads, vm.shutdown_asked = call.host.clock.now(), 0, None

    return call.on_vms(act)


@handles("Remove-VMSavedState")
def remove_saved_state(call):
    def act(vm):
        if vm.state not in ("Saved", "FastSaved"):
            raise call.state_error()
        call.host.reach(vm, "Off")

    if call.get("VMSnapshot"):
        call.get("VMSnapshot").record.has_memory = False
        return ()
    return call.on_vms(act)


def restart_host(host):
    """Stop and start VMs by their automatic actions."""
    was_on = [vm for vm in host.vms if vm.state not in _RESTING]
    for vm in was_on:
        host.reach(vm, "Saved" if vm.shown["AutomaticStopAction"] == "Save" else "Off")
    for vm in host.vms:
        action = vm.shown["AutomaticStartAction"]
        if action == "Start" or (action == "StartIfRunning" and vm in was_on):
            vm.started, vm.reads = host.clock.now() + vm.shown["AutomaticStartDelay"], 0
            host.clock.at(vm.shown["AutomaticStartDelay"], lambda vm=vm: host.reach(vm, "Running"))
    host.clock.sleep(0)
