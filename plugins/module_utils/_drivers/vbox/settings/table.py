# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: the table of all settings of a VM, and the settings of an observed VM."""

from __future__ import annotations

from ...._core.model import LIVE
from ...._core.record.mark import IN_MARK, marked_settings
from ...._kit.settings import Setting, read_all
from .architecture import ARCHITECTURE
from .cdroms import CDROMS
from .hardware import HARDWARE, SECURE_BOOT
from .media import MEDIA
from .native import NATIVE, bare_key, described_native, read_native
from .networks import NICS
from .port_forwards import FORWARDS
from .serial_log import SERIAL_LOG
from .shared_folders import SHARES

SETTINGS = {
    **ARCHITECTURE,
    **HARDWARE,
    **SECURE_BOOT,
    **dict.fromkeys(IN_MARK, Setting(cost=LIVE)),
    **SERIAL_LOG,
    **MEDIA,
    **CDROMS,
    **NATIVE,
    **NICS,
    **FORWARDS,
    **SHARES,
}


def config_of(vbox_vm, native_keys=()):
    """The settings of the VM as {option: value}.

    If ``native_keys`` is None, native has the values that a new VM does not have.
    """
    mark = vbox_vm.mark if vbox_vm.has_own_mark else {}
    return {
        **read_all(SETTINGS, vbox_vm),
        **marked_settings(mark, vbox_vm.uuid),
        **({"native": described_native(vbox_vm)} if native_keys is None else {}),
        **({"native": {bare_key(key): read_native(vbox_vm, key) for key in native_keys}} if native_keys else {}),
    }
