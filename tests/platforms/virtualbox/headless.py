# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in VBoxHeadless's place: runs a machine in VirtualBox's own interpreter where there is no kernel driver.

VirtualBox starts it as it would start the original, with the same arguments. It loads the same libraries.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time

LIBRARIES = "/usr/lib/virtualbox"
#: The runtime shall try for the driver, and go on without it.
TRY_DRIVER = 1 << 4
NO_RUNTIME = 92


def main(words):
    threading.Thread(target=end_with, args=(owner(),), daemon=True).start()
    arguments = [os.path.join(LIBRARIES, "VBoxHeadless"), *words]
    argv = (ctypes.c_char_p * (len(arguments) + 1))(*map(os.fsencode, arguments), None)
    pointer = ctypes.cast(argv, ctypes.POINTER(ctypes.c_char_p))
    if library("VBoxRT").RTR3InitExe(len(arguments), ctypes.byref(pointer), TRY_DRIVER) < 0:
        return NO_RUNTIME
    return library("VBoxHeadless").TrustedMain(len(arguments), pointer, None) & 0xFF


def library(name):
    return ctypes.CDLL(os.path.join(LIBRARIES, f"{name}.so"), mode=ctypes.RTLD_GLOBAL)


def owner():
    """The process for which this registry was opened, as its folder in /proc."""
    with open(os.path.join(os.environ["VBOX_USER_HOME"], "owner"), encoding="ascii") as file:
        return f"/proc/{file.read().strip()}"


def end_with(process):
    """A test that was killed leaves no machine running behind it."""
    while os.path.exists(process):
        time.sleep(2)
    os._exit(0)


# Not sys.exit: it would wait for threads that VirtualBox leaves behind.
os._exit(main(sys.argv[1:]))
