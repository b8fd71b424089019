# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one command: from its arguments to its output."""

from __future__ import annotations

import time
from typing import NamedTuple

from . import extras, machines, power, snapshots, storage
from .failures import Failure, Misuse
from .registry import Registry

COMMANDS = {
    "list": machines.list_all,
    "createvm": machines.create,
    "registervm": machines.register,
    "unregistervm": machines.unregister,
    "modifyvm": machines.modify,
    "modifynvram": extras.modify_nvram,
    "showvminfo": machines.show,
    "clonevm": machines.clone,
    "movevm": machines.move,
    "setproperty": machines.set_property,
    "storagectl": storage.control,
    "storageattach": storage.attach,
    "createmedium": storage.create_medium,
    "modifymedium": storage.modify_medium,
    "clonemedium": storage.clone_medium,
    "closemedium": storage.close_medium,
    "showmediuminfo": storage.show_medium,
    "convertfromraw": storage.convert_from_raw,
    "startvm": power.start,
    "controlvm": power.control,
    "discardstate": power.discard,
    "adoptstate": power.adopt,
    "snapshot": snapshots.snapshot,
    "sharedfolder": extras.shared_folder,
    "setextradata": extras.set_extra_data,
    "getextradata": extras.get_extra_data,
    "guestproperty": extras.guest_property,
    "dhcpserver": extras.dhcp_server,
}


class Answer(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def call(folder, words, now=time.time):
    """Run ``VBoxManage WORDS`` with the registry in ``folder``; ``now`` returns the time in seconds since 1970."""
    registry = Registry(folder, now)
    with registry.open():
        try:
            _do(registry, words)
        except (Failure, Misuse) as failure:
            version = registry.data["version"].split("r1")[0]
            registry.stdout.append(failure.stdout)
            registry.stderr.append(failure.text(version))
            return _answer(registry, failure.rc)
    return _answer(registry, 0)


def _answer(registry, rc):
    return Answer(rc, "".join(registry.stdout), "".join(registry.stderr))


def _do(registry, words):
    if words[0] in ("--version", "-V"):
        registry.print(registry.data["version"])
        return
    command = COMMANDS.get(words[0])
    if command is None:
        raise Misuse(f"Invalid command '{words[0]}'", close=True)
    command(registry, words[1:])
