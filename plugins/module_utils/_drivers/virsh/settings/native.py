# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``native`` option: which paths in a domain XML it takes, and which values mean the same."""

from __future__ import annotations

import re

from ...._lifecycle.errors import Refused

#: Machine types that QEMU numbers, by the name that stands for the newest of them.
_NUMBERED = {
    "pc": "pc-i440fx",
    "q35": "pc-q35",
    "virt": "virt",
    "pseries": "pseries",
    "s390-ccw-virtio": "s390-ccw-virtio",
}
_CONDITION = r"(\[[^\]]+\])?"
_NATIVE_PATH = re.compile(rf"([\w:.-]+{_CONDITION}(/[\w:.-]+{_CONDITION})*)?(@[\w:.-]+)?")
#: What has an option, by how its path begins once conditions are left out. Where an option sets but a part of an
#: element, the rest of it (the model of a TPM, the address that a display listens on) stays in reach.
_NOT_NATIVE = (
    (r"name\b", "name"),
    (r"uuid\b", "id"),
    (r"(memory|currentMemory)(?![\w])", "memory"),
    (r"vcpu(?![\w])", "cpus"),
    (r"description\b", "description"),
    (r"metadata\b", "tags"),
    (r"os@firmware$", "firmware"),
    (r"os/firmware\b", "secure_boot"),
    (r"os/boot(?![\w])", "boot_order"),
    (r"devices/[\w-]+/boot(?![\w])", "boot_order"),
    (r"devices/tpm$", "tpm"),
    (r"devices/graphics(@type)?$", "display"),
    (r"devices/video(/model@vram)?$", "display"),
    (r"devices/serial/log\b", "serial_log"),
)
#: Features of the processor that are the option nested_virtualization; here the condition says which feature it is.
_NESTED = re.compile(r"cpu/feature\[@name=.(svm|vmx).\]")
#: What libvirt fills in by itself where it is asked for a kind of firmware.
_FIRMWARE_FILES = re.compile(r"os/(loader|nvram)(?![\w])")


def same_native(found, asked):
    """A machine type is frozen when it is defined: q35 becomes pc-q35-7.2, and stays the same wish."""
    found, asked = _text(found), _text(asked)
    return found == asked or bool(re.fullmatch(rf"{_NUMBERED.get(asked, '(?!)')}-\d[\w.]*", found))


def _text(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def check_native(vm, config):
    """Refuse keys that are no path, that hold a secret, or that an option is there for."""
    for key, value in (config.get("native") or {}).items():
        option = _option_for(key)
        if option:
            raise Refused(
                f"{vm.name}: native: '{key}' cannot be set through native.", f"Use the option {option} instead."
            )
        if _FIRMWARE_FILES.match(key) and config.get("firmware"):
            raise Refused(
                f"{vm.name}: native: '{key}' and the option firmware cannot be combined.",
                "Omit one of them: firmware selects the files itself.",
            )
        if not key or not _NATIVE_PATH.fullmatch(key):
            raise Refused(
                f"{vm.name}: native: '{key}' is not a valid path in a domain XML.",
                "Use a path such as os/type@machine.",
            )
        if re.search(r"@passwd$|secret", key):
            raise Refused(
                f"{vm.name}: native: '{key}' is a secret, and native is shown in results.",
                "Set it with virsh edit instead.",
            )
        if isinstance(value, (dict, list)):
            raise Refused(
                f"{vm.name}: native: the value of '{key}' is not a plain value.", "Use a separate path for each value."
            )


def _option_for(key):
    """The option that sets what is at ``key``, or None."""
    if _NESTED.match(key):
        return "nested_virtualization"
    plain = re.sub(r"\[[^\]]*\]", "", key)
    return next((option for path, option in _NOT_NATIVE if re.match(path, plain)), None)
