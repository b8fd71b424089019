# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the log of a VM's console where the platform writes it to a file on the host."""

from __future__ import annotations

from .._core.errors import NotFound, PolyvirtError
from .._core.results.console import MOST_BYTES, ConsoleLog


def console_log(paths, files, elsewhere=""):
    """Return the ConsoleLog of a VM. ``paths`` are the files of its serial ports, the first port first.

    ``files`` is the port; ``elsewhere`` is the connection to another host if the files are there. If the log of one
    VM cannot be read, the error is reported as the reason, and the other VMs still have their lines.
    """
    log = ConsoleLog()
    if paths and elsewhere:
        return ConsoleLog(paths[0], how=f"{paths[0]} is on the host of {elsewhere}. Run the task there.")
    for path in paths:
        log = _read(path, files)
        if log.data is not None:
            break
    return log


def _read(path, files):
    try:
        data, is_cut = files.read_end(path, MOST_BYTES)
    except NotFound:
        return ConsoleLog(path, how=f"{path} does not exist. It is created when the VM is started.")
    except PolyvirtError as error:
        return ConsoleLog(path, how=str(error))
    return ConsoleLog(path, data, is_cut)
