# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths and files of a Windows host, for the platforms that run on it."""

from __future__ import annotations

import ntpath
import re

from .._lifecycle.errors import Refused
from .._ports.windows_request import call

_PATH = re.compile(r"[A-Za-z]:\\|\\\\[^\\]+\\[^\\]+")


def key_of(path):
    """A path in a form in which two paths can be compared."""
    return ntpath.normpath(path).lower()


def windows_path(vm, option, path):
    """An absolute path on the host, with backslashes. Raises Refused for any other."""
    path = ntpath.normpath(path)
    if not _PATH.match(path):
        raise Refused(
            f"{vm.name}: {option}: '{path}' is not an absolute path on Windows.",
            "Set a path such as C:\\VMs\\disk.vhdx.",
        )
    return path


def file_command(command, paths, **more):
    """A call of one of PowerShell's commands for files; file names are not interpreted as patterns."""
    force = {"Force": True} if command == "Remove-Item" else {}
    return call(f"Microsoft.PowerShell.Management\\{command}", {"LiteralPath": list(paths), **force}, **more)
