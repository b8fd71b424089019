# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands startvm, controlvm, discardstate and adoptstate."""

from __future__ import annotations

import os
import time

from .failures import PROGRESS, Failure, Misuse, NeverEnds, held, invalid, wrong_state
from .registry import ON, STATE_NAMES, folder_of, options
from .settings import BACKENDS, set_forward
from .storage import require_accessible

_FRONTENDS = ("headless", "gui", "separate", "sdl")


def start(registry, words):
    plain, given = options(words, ("type", "putenv"), (), lambda word: Misuse(f"unknown option: {word}"))
    machine, how = registry.find(plain[0]), given.get("type", "gui")
    if how == "emergencystop":
        _stop_in_emergency(registry, machine)
        return
    if machine["state"] in ON:
        text = f"The machine '{machine['name']}' is already locked by a session (or being locked or unlocked)"
        raise held(text)
    if how not in _FRONTENDS:
        raise invalid(f"Invalid frontend name: '{how}'", "MachineWrap")
    own, asked = registry.architecture, machine["config"]["values"].get("platformArchitecture", "x86")
    if own != asked:
        text = f"Cannot run the machine because its platform architecture {asked} is not supported on {own}"
        raise Failure(text, code="VBOX_E_PLATFORM_ARCH_NOT_SUPPORTED", part="MachineWrap")
    if machine["state"] != "saved" and machine["config"]["values"]["teleporterenabled"] == "on":
        registry.set_state(machine, "teleportingin")
        raise NeverEnds
    for slots in machine["config"]["slots"].values():
        for medium in filter(None, (registry.media.get(slot["medium"]) for slot in slots.values())):
            require_accessible(registry, medium)
    if machine["state"] not in ("saved", "aborted-saved"):
        _empty_serial_files(machine)
    drop_state(machine)
    machine["online"] = machine["state"] == "saved"
    registry.set_state(machine, "running")
    registry.print(f'Waiting for VM "{plain[0]}" to power on...')
    registry.print(f'VM "{plain[0]}" has been successfully started.')


def _empty_serial_files(machine):
    """Create or empty the files of serial ports, as VirtualBox 7.2.22 does at each start without saved memory."""
    values = machine["config"]["values"]
    for number in range(1, 5):
        mode, _comma, path = values.get(f"uartmode{number}", "").partition(",")
        if values.get(f"uart{number}", "off") != "off" and mode == "file":
            try:
                with open(path, "w", encoding="ascii"):
                    pass
            except FileNotFoundError as error:
                text = f"RawFile#0 failed to create the raw output file {path} (VERR_FILE_NOT_FOUND)"
                raise Failure(text, code="NS_ERROR_FAILURE", part="ConsoleWrap") from error


def _stop_in_emergency(registry, machine):
    if machine["state"] not in ON:
        raise held(f"The machine '{machine['name']}' is not locked by a session")
    registry.set_state(machine, "aborted")


def control(registry, words):
    name, verb, *rest = words
    machine = registry.find(name)
    if machine["state"] not in ON:
        stop = "." if registry.version >= (7, 0) else ""
        raise Failure(f"Machine '{name}' is not currently running{stop}")
    verb_function = _VERBS.get(verb.rstrip("0123456789"))
    if verb_function is None:
        raise Misuse(f"Invalid parameter '{verb}'")
    verb_function(registry, machine, verb, rest)


def _power_off(registry, machine, _verb, _rest):
    registry.set_state(machine, "poweroff")
    _forget_properties(machine, "TRANSIENT")
    registry.stderr.append(PROGRESS)


def _forget_properties(machine, flag):
    machine["properties"] = {key: found for key, found in machine["properties"].items() if flag not in found[2]}


def _pause(registry, machine, _verb, _rest):
    if machine["state"] == "paused":
        raise wrong_state("Already paused", "ConsoleWrap")
    _require(machine, "running")
    registry.set_state(machine, "paused")


def _require(machine, *states):
    if machine["state"] not in states:
        raise wrong_state(f"Invalid machine state: {STATE_NAMES[machine['state']]}", "ConsoleWrap")


def _resume(registry, machine, _verb, _rest):
    if machine["state"] != "paused":
        state = STATE_NAMES[machine["state"]]
        raise wrong_state(f"Cannot resume the machine as it is not paused (machine state: {state})", "ConsoleWrap")
    registry.set_state(machine, "running")


def _reset(registry, machine, _verb, _rest):
    _require(machine, "running")
    machine.update(started=registry.now(), pressed=None)
    _forget_properties(machine, "TRANSRESET")


def _press(registry, machine, _verb, _rest):
    _require(machine, "running")
    machine["pressed"] = machine.get("pressed") or registry.now()


def _type(registry, machine, _verb, rest):
    """Press and release keys by their scan codes, as 7.2 checks them."""
    _require(machine, "running")
    if not rest:
        raise Misuse("Not enough parameters")
    for code in rest:
        if len(code) != 2 or not set(code.lower()) <= set("0123456789abcdef"):
            raise Misuse(f"Error: '{code}' is not a hex byte!")
    machine["typed"] = [*machine.get("typed", ()), " ".join(rest)]


def _save(registry, machine, _verb, _rest):
    if machine["state"] == "gurumeditation":
        raise Failure("Machine in invalid state 8 -- guru meditation.")
    write_state(registry, machine)
    registry.set_state(machine, "saved")
    registry.stderr.append(PROGRESS)


def drop_state(machine):
    """Discard the saved memory and its file."""
    path = machine.pop("state_file", None)
    if path and os.path.exists(path):
        os.remove(path)


def write_state(registry, machine):
    now = registry.now()
    folder = os.path.join(folder_of(machine), "Snapshots")
    os.makedirs(folder, exist_ok=True)
    name = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime(now)) + f"-{int(now % 1 * 1e9):09}Z.sav"
    machine["state_file"] = os.path.join(folder, name)
    with open(machine["state_file"], "w", encoding="ascii") as file:
        file.write("memory")


def _forward(_registry, machine, verb, rest):
    number = verb.removeprefix("natpf")
    value = ("delete", rest[1]) if rest[0] == "delete" else rest[0]
    set_forward(machine["config"]["nics"][number], value, number)


def _link(_registry, machine, verb, rest):
    machine["config"]["nics"][verb.removeprefix("setlinkstate")]["connected"] = rest[0]


def _nic(registry, machine, verb, rest):
    number = verb.removeprefix("nic")
    nic = machine["config"]["nics"][number]
    if nic["type"] == "none":
        text = f"The NIC {number} is currently disabled and thus its attachment type can't be changed."
        registry.print_error(Failure(text))
        return
    nic["type"] = rest[0]
    if rest[0] in BACKENDS and rest[1:]:
        nic["other"][BACKENDS[rest[0]]] = rest[1]


def _value(_registry, machine, verb, rest):
    keys = {"clipboard": "clipboard", "draganddrop": "draganddrop"}
    machine["config"]["values"][keys.get(verb, verb)] = rest[-1]


def _start_with_host(registry, machine, _verb, _rest):
    """Switch autostart on. VBoxManage ignores the value of autostart-enabled."""
    if not registry.data["properties"].get("autostartdbpath"):
        registry.print_error(Failure("The path to the autostart database is not set", code="NS_ERROR_FAILURE"))
        return
    machine["config"]["values"]["autostart-enabled"] = "on"


_VERBS = {
    "poweroff": _power_off,
    "pause": _pause,
    "resume": _resume,
    "reset": _reset,
    "acpipowerbutton": _press,
    "keyboardputscancode": _type,
    "savestate": _save,
    "natpf": _forward,
    "setlinkstate": _link,
    "nic": _nic,
    "clipboard": _value,
    "draganddrop": _value,
    "cpuexecutioncap": _value,
    "vrde": _value,
    "autostart-enabled": _start_with_host,
    "autostart-delay": _value,
}


def adopt(registry, words):
    """The file of another saved state becomes that of a VM that is off; its content is not read."""
    machine = registry.lock(words[0])
    machine["state_file"] = os.path.abspath(words[1])
    registry.set_state(machine, "saved")


def discard(registry, words):
    machine = registry.lock(words[0])
    if machine["state"] not in ("saved", "aborted-saved"):
        state = STATE_NAMES[machine["state"]]
        text = "Cannot discard the saved state as the machine is not in the Saved or Aborted-Saved state"
        registry.print_error(wrong_state(f"{text} (machine state: {state})"))
        return
    drop_state(machine)
    registry.set_state(machine, "poweroff")
