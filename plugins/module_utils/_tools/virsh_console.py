# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where libvirt writes the output of a VM's serial ports. Pure."""

from __future__ import annotations


def log_paths(root):
    """Return the files of the serial ports and consoles in a definition (an element), the first port first."""
    ports = [*root.findall("devices/serial"), *root.findall("devices/console")]
    found = [path for port in ports for path in (_log(port), _file(port))]
    # libvirt lists the first serial port as a console too.
    return list(dict.fromkeys(path for path in found if path))


def _log(port):
    log = port.find("log")
    return None if log is None else log.get("file")


def _file(port):
    source = port.find("source") if port.get("type") == "file" else None
    return None if source is None else source.get("path")
