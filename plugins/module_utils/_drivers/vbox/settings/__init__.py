# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain settings: the arguments of modifyvm and controlvm for each. A new VM gets them by the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

from ...._lifecycle.units import MIB
from ..vbox_vm import BOOT

_SWITCH = {True: "on", False: "off"}


@dataclass(frozen=True)
class Setting:
    """``words(value)`` are of modifyvm; ``live(value)`` of controlvm, where it can be made while the machine runs."""

    words: Callable
    live: Optional[Callable] = None


def _option(name, write=str):
    return Setting(lambda value: [f"--{name}", write(value)])


def _mebibytes(size):
    return str(size // MIB)


def _boot_order(order):
    words = [BOOT[word] for word in order]
    places = [*words, *["none"] * (4 - len(words))]
    return [word for place, device in enumerate(places, 1) for word in (f"--boot{place}", device)]


#: By kind of change, in the order in which modifyvm must be told: what others depend on comes first.
SETTINGS = {
    "description": _option("description"),
    "groups": _option("groups", ",".join),
    "os_type": _option("ostype"),
    "firmware": _option("firmware", {"bios": "bios", "uefi": "efi"}.get),
    "memory": _option("memory", _mebibytes),
    "cpus": _option("cpus"),
    "graphics_controller": _option("graphicscontroller"),
    "display.video_memory": _option("vram", _mebibytes),
    "display.type": Setting(lambda value: ["--vrde", "off"], lambda value: ["vrde", "off"]),
    "nested_virtualization": _option("nested-hw-virt", _SWITCH.get),
    "tpm": _option("tpm-type", {True: "2.0", False: "none"}.get),
    "boot_order": Setting(_boot_order),
    "autostart": Setting(
        lambda value: ["--autostart-enabled", _SWITCH[value]], lambda value: ["autostart-enabled", "on"]
    ),
}
