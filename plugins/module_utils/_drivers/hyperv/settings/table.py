# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: the table of all settings of a VM, the settings of an observed VM, and the calls that set values."""

from __future__ import annotations

from ...._core.model import LIVE
from ...._core.record.mark import IN_MARK, marked_settings
from ...._kit.settings import Setting, read_all
from ...._tools.hyperv import VM, hyperv
from ..mark import mark_of, split_notes
from .actions import ACTIONS
from .cdroms import CDROMS
from .disks import DISKS
from .firmware import FIRMWARE
from .memory_cpus import MEMORY_CPUS
from .native import NATIVE, NATIVE_ROW, native_arguments, read_native
from .networks import NICS
from .values import ValueSetting

SETTINGS = {
    "description": Setting(LIVE, read=lambda raw, found: split_notes(raw.get("Notes"))[0]),
    **dict.fromkeys(IN_MARK, Setting(LIVE)),
    **MEMORY_CPUS,
    **FIRMWARE,
    **ACTIONS,
    "native": NATIVE_ROW,
    **DISKS,
    **CDROMS,
    **NICS,
}


def config_of(found, raw, native_keys=()):
    """Return the settings of a VM, or of a checkpoint as far as Hyper-V reports them."""
    values = {**read_all(SETTINGS, raw, found), **marked_settings(mark_of(raw), raw.get("Id"))}
    native = {"native": {key: read_native(raw, key) for key in native_keys}} if native_keys else {}
    return {**{name: one for name, one in values.items() if one is not None or name == "autostart"}, **native}


def setting_calls(values):
    """Return the calls that set {option: value} of the VM that is stored as "vm", one call per command."""
    arguments = {}
    for name, setting in SETTINGS.items():
        if name in values and isinstance(setting, ValueSetting):
            arguments.setdefault(setting.command, {}).update(setting.write(values[name]))
    for key, value in (values.get("native") or {}).items():
        arguments.setdefault(NATIVE[key].command, {}).update(native_arguments(key, value))
    return [hyperv(command, {"VM": VM, **values_of}) for command, values_of in arguments.items()]
