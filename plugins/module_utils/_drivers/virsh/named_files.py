# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the host that a definition names besides its drives and its NVRAM: those that a VM writes, and reads.

QEMU and libvirt empty a file of a serial port at each start, and delete what is at the path of a socket to listen at.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..._core.sharing.claims import READ, WRITE
from ..._tools.domain_xml import Definition

#: Options of these claims: the log of a serial port has one, all others can be set with native only.
LOG, NATIVE = "serial_log", "native"
#: Types of character devices whose source is a file, a device or a socket of the host.
_WITH_PATH = ("file", "dev", "pipe", "unix")
#: Roles of a socket that connect to one that another program has created.
_CONNECTING = ("connect", "client")
_READ_AT_BOOT = ("os/kernel", "os/initrd", "os/dtb", "os/acpi/table")
_LISTENING = ("devices/graphics", "devices/graphics/listen")


def named_files(definition: Definition) -> Iterator:
    """Yield (mode, option, path); libvirt lists the first serial port as a console too."""
    found = [*_of_logs(definition), *_of_devices(definition), *_of_memory(definition), *_of_boot(definition)]
    yield from dict.fromkeys((mode, option, path) for mode, option, path in found if path)


def log_files(definition: Definition) -> list:
    """Return the paths of the logs of serial ports, which libvirt empties at each start."""
    return [log.get("file") for log in definition.devices.iter("log")]


def _of_logs(definition):
    return [(WRITE, LOG, path) for path in log_files(definition)]


def _of_devices(definition):
    """The sources of character devices, and the few other devices that name a path."""
    for device in definition.devices.iter():
        for source in device.findall("source"):
            kind = source.get("type") or device.get("type")
            is_exclusive = kind in (*_WITH_PATH, "vhostuser") and source.get("mode") not in _CONNECTING
            if source.get("path") and is_exclusive and device.tag != "disk":
                yield WRITE, NATIVE, source.get("path")
    for path in _LISTENING:
        yield from ((WRITE, NATIVE, one.get("socket")) for one in definition.root.iterfind(path))
    yield from ((WRITE, NATIVE, one.get("path")) for one in definition.root.iterfind("devices/audio[@type='file']"))
    yield from ((WRITE, NATIVE, one.text) for one in definition.root.iterfind("devices/pstore/path"))


def _of_memory(definition):
    """NVDIMMs and other memory with the content of a file."""
    for memory in definition.root.iterfind("devices/memory"):
        mode = WRITE if memory.find("target/readonly") is None else READ
        yield mode, NATIVE, (memory.findtext("source/path") or "").strip()


def _of_boot(definition):
    yield from ((READ, NATIVE, definition.get(path)) for path in _READ_AT_BOOT)
    loader = definition.root.find("os/loader")
    if loader is not None:
        is_written = loader.get("type") == "pflash" and loader.get("readonly") == "no"
        yield WRITE if is_written else READ, NATIVE, (loader.text or "").strip()
    yield from ((WRITE, NATIVE, one.get("path")) for one in definition.root.iterfind("os/varstore"))
