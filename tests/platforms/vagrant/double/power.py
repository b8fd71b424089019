# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands up, halt, suspend, resume, reload and destroy."""

from __future__ import annotations

import os

from . import texts
from .output import Failure
from .project import forget, read, write, write_created
from .providers import STATES

#: Positions in ``providers.STATES``.
_OFF, _ON, _SUSPENDED = 0, 1, 2
#: Longer than any caller waits.
_FOREVER_SECONDS = 600
_MESSAGES = {
    "libvirt": {
        "absent": "Domain is not created. Please run `vagrant up` first.",
        "off": "Domain is not running. Please run `vagrant up` or `vagrant resume` first.",
        "not suspended": "Domain is not suspended.",
        "cut": "Attempting direct shutdown of domain...",
        "given up": "Halting domain...",
        "suspend": "Suspending domain...",
        "resume": "Resuming domain...",
        "destroy": ("Removing domain...", "Deleting the machine folder"),
    },
    "hyperv": {
        "absent": "VM not created. Moving on...",
        "cut": "Stopping the machine...",
        "given up": "Stopping the machine...",
        "discard": "Stopping the machine...",
        "suspend": "Suspending the machine...",
        "resume": "Resuming the machine...",
        "destroy": ("Stopping the machine...", "Deleting the machine..."),
    },
    "other": {
        "absent": "VM not created. Moving on...",
        "off": "VM is not currently running. Please, first bring it up with `vagrant up` then run this command.",
        "not suspended": "VM is not suspended.",
        "cut": "Forcing shutdown of VM...",
        "given up": "Forcing shutdown of VM...",
        "discard": "Discarding saved state of VM...",
        "suspend": "Saving VM state and suspending execution...",
        "resume": "Resuming suspended VM...",
        "destroy": ("Destroying VM and associated drives...",),
    },
}


def _message(target, event):
    return {**_MESSAGES["other"], **_MESSAGES.get(target.provider.name, {})}[event]


def _is(target, number):
    return target.state == STATES[target.provider.name][number]


def _kind(call, target):
    """The behaviour of a VM's guest; README.md lists the kinds."""
    return call.registry.read()["guests"].get(target.machine.name, "obeys")


def up(call):
    asked = next((flag.partition("=")[2] for flag in call.flags if flag.startswith("--provider=")), None)
    names = call.plain or [machine.name for machine in call.project.machines() if machine.autostart]
    targets = call.targets(names, asked)
    for target in targets:
        call.output.message(f"Bringing machine '{target.machine.name}' up with '{target.provider.name}' provider...")
    for target in targets:
        with call.action(target, "up"):
            _bring_up(call, target)


def _bring_up(call, target):
    if target.id is None:
        _create(call, target)
        return
    if _is(target, _SUSPENDED):
        _resume(call, target)
        return
    if _is(target, _ON):
        if read(target.machine, target.provider.name, "action_provision"):
            call.message(target, texts.NOT_PROVISIONED)
        _provision(call, target)
        return
    _start(call, target)
    _provision(call, target)


def _create(call, target):
    box = target.machine.box
    if all(known["name"] != box for known in call.registry.read()["boxes"]):
        call.message(target, f"Box '{box}' could not be found. Attempting to find and install...", "output")
        call.message(target, f"Box Provider: {target.provider.name}", "detail")
        call.message(target, "Box Version: >= 0", "detail")
        raise Failure("BoxAddShortNotFound", texts.NO_BOX.format(box=box))
    call.message(target, texts.UNVERSIONED_BOX.format(box=box), "warn")
    _upload(call, target)
    call.message(target, "Creating image (snapshot of base box volume).")
    write(target.machine, target.provider.name, {"vagrant_cwd": call.project.folder})
    target.provider.create_volume(_name_of(call, target))
    call.registry.interrupt("volume")
    identifier = target.provider.create(_name_of(call, target))
    write_created(call.project, target.machine, target.provider.name, identifier)
    call.registry.interrupt("id")
    target.provider.add_nic(identifier)
    call.registry.interrupt("nic")
    made = call.refreshed(target)
    _start(call, made, is_new=True)
    if _kind(call, target) == "silent" and "--no-destroy-on-error" not in call.flags:
        _remove(call, made)
    if _kind(call, target) == "silent":
        raise Failure("VMBootTimeout", texts.BOOT_TIMEOUT)
    if _kind(call, target) == "unfinished":
        raise Failure("VagrantError", texts.SSH_COMMAND_FAILED.format(command="setup"))
    _provision(call, target)


def _name_of(call, target):
    """The provider's name of a new VM."""
    return f"{os.path.basename(call.project.folder)}_{target.machine.name}"


def _upload(call, target):
    with call.registry.open() as state:
        is_there = target.machine.box in state["uploaded"]
        state["uploaded"] = sorted({*state["uploaded"], target.machine.box})
    if not is_there:
        call.message(target, "Uploading base box image as volume into Libvirt storage...")


def _start(call, target, is_new=False):
    call.message(target, "Creating shared folders metadata...")
    call.message(target, "Updating domain definition due to configuration change")
    target.provider.set_size(target.id, target.machine.size)
    call.message(target, "Starting domain.")
    target.provider.set_state(target.id, _ON)
    call.registry.interrupt("boot")
    call.message(target, "Waiting for domain to get an IP address...")
    if not target.provider.has_nic(target.id):
        call.registry.sleep(_FOREVER_SECONDS)
    _wait_for_guest(call, target, answers=not (is_new and _kind(call, target) == "silent"))


def _wait_for_guest(call, target, answers=True):
    host, port = target.provider.ssh(target.id)
    call.message(target, "Waiting for machine to boot. This may take a few minutes...", "output")
    call.message(target, f"SSH address: {host}:{port}", "detail")
    call.message(target, "SSH username: root", "detail")
    call.message(target, "SSH auth method: private key", "detail")
    if answers:
        call.message(target, "Machine booted and ready!", "output")


def _provision(call, target):
    made = call.refreshed(target)
    done = f"1.5:{made.id}"
    if "--no-provision" in call.flags:
        call.message(target, texts.NOT_PROVISIONED)
    elif read(made.machine, made.provider.name, "action_provision") == done:
        call.message(target, texts.PROVISIONED)
    else:
        write(made.machine, made.provider.name, {"action_provision": done})


def halt(call):
    for target in call.targets(call.plain, reverse=True):
        with call.action(target, "halt"):
            _halt(call, target)


def _halt(call, target):
    if target.id is None:
        call.message(target, _message(target, "absent"))
        return
    if _is(target, _SUSPENDED) and target.provider.name != "libvirt":
        call.message(target, _message(target, "discard"))
        target.provider.discard(target.id)
        return
    if _is(target, _SUSPENDED):
        _wake_up(call, target)
    elif not _is(target, _ON):
        return
    if "--force" in call.flags or "-f" in call.flags:
        _hang(call, target, "hangs even when forced")
        call.message(target, _message(target, "cut"))
        target.provider.set_state(target.id, _OFF)
        return
    call.message(target, "Attempting graceful shutdown of VM...", "output")
    _hang(call, target, "hangs")
    _hang(call, target, "hangs even when forced")
    if _kind(call, target) == "silent":
        call.message(target, texts.NOT_ANSWERING, "detail")
    if _kind(call, target) == "deaf":
        call.registry.sleep(target.machine.patience)
    if _kind(call, target) in ("deaf", "silent"):
        call.message(target, _message(target, "given up"))
    target.provider.set_state(target.id, _OFF)


def _wake_up(call, target):
    call.message(target, _message(target, "resume"))
    target.provider.set_state(target.id, _ON)


def _hang(call, target, kind):
    if _kind(call, target) == kind:
        call.registry.record_call(["hangs", target.machine.name], {})
        call.registry.sleep(_FOREVER_SECONDS)


def suspend(call):
    for target in call.targets(call.plain, reverse=True):
        with call.action(target, "suspend"):
            if target.id is None:
                call.message(target, _message(target, "absent"))
            elif not _is(target, _ON):
                call.message(target, _message(target, "off"))
            else:
                call.message(target, _message(target, "suspend"))
                target.provider.set_state(target.id, _SUSPENDED)


def resume(call):
    for target in call.targets(call.plain):
        with call.action(target, "resume"):
            if target.id is None:
                call.message(target, _message(target, "absent"))
            elif not _is(target, _SUSPENDED):
                call.message(target, _message(target, "not suspended"))
            else:
                _resume(call, target)


def _resume(call, target):
    call.message(target, _message(target, "resume"))
    target.provider.set_state(target.id, _ON)
    _wait_for_guest(call, target)
    _provision(call, target)


def reload(call):
    for target in call.targets(call.plain):
        with call.action(target, "reload"):
            if target.id is None:
                call.message(target, _message(target, "absent"))
                continue
            _halt(call, target)
            _start(call, call.refreshed(target))
            _provision(call, target)


def destroy(call):
    for target in call.targets(call.plain, reverse=True):
        with call.action(target, "destroy"):
            if target.id and not call.flags & {"-f", "--force"}:
                raise Failure("UIExpectsTTY", texts.NEEDS_TERMINAL)
            if target.id is None and target.provider.remove_stale_volume(_name_of(call, target)):
                call.message(target, "Remove stale volume...")
            elif target.id is None:
                call.message(target, _message(target, "absent"))
            else:
                _remove(call, target)


def _remove(call, target):
    for text in _message(target, "destroy"):
        call.message(target, text)
    if target.provider.name == "virtualbox" and _is(target, _ON):
        target.provider.set_state(target.id, _OFF)
    target.provider.delete(target.id)
    forget(target.machine, target.provider.name)
