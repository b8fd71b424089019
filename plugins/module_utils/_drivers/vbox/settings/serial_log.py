# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: the log of the first serial port: each start without saved memory creates or empties the file.

So the file must not exist before, and it is recorded in the mark before VirtualBox knows its path.
"""

from __future__ import annotations

import os

from ...._core.errors import Refused
from ...._core.model import ABSENT, POWER_OFF
from ...._kit.settings import Setting
from ...._ports import files
from .media import plain_path

LOG = "serial_log"
NEW_REMEDY = (
    "Use a file that does not exist yet: VirtualBox empties it at each start. If it is only the log of an earlier VM,"
    " delete it."
)
#: The first serial port of a PC.
_PORT = ("0x3f8", "4")


def _read(vbox_vm):
    """The path of the log, or an empty string; None if it is unknown."""
    return None if vbox_vm.file is None else vbox_vm.file.serial_files.get(1, "")


def _normalized(vm, path, known):
    if vm.power != ABSENT and vm.config.get(LOG) is None:
        raise Refused(
            f"{vm.name}: {LOG}: the serial ports of the VM are unknown, because its settings file cannot be read.",
            "Run the task as a user who can read the settings file.",
        )
    return plain_path(path)


def _write(path):
    return ["--uart1", *_PORT, "--uartmode1", "file", path] if path else ["--uart1", "off"]


SERIAL_LOG = {
    LOG: Setting(cost=POWER_OFF, read=_read, normalize=_normalized, write=_write, native=("uart1", "uartmode1")),
}


def check_port(name, vbox_vm):
    """Raise Refused if the first serial port has another use, or other resources, than those of a log."""
    port = vbox_vm.file.serial_ports.get(1) if vbox_vm.file else None
    if port is not None and not port.is_usual:
        raise Refused(
            f"{name}: {LOG}: the first serial port is used otherwise: {port.use}.",
            f"Disable that port, so that the task can set it up: VBoxManage modifyvm {vbox_vm.uuid} --uart1 off",
        )


def with_log(vbox_vm, mark, path):
    """The mark that contains a new log, that of now, and those of snapshots, but no other former one.

    Raises Refused if the file exists and is not a log of the VM: somebody else has created it since the task was
    planned.
    """
    known = vbox_vm.log_files()
    if path and path not in known and files.exists(path):
        name = vbox_vm.values["name"]
        raise Refused(f"{name}: {LOG}: {path} already exists, and existing files are never overwritten.", NEW_REMEDY)
    kept = [one for one in mark["files"] if not os.path.isabs(one) or one in (path, *known)]
    return {**mark, "files": kept if not path or path in kept else [*kept, path]}
