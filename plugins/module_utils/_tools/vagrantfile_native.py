# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``native``: settings of Vagrant and its providers without an option of this collection, as Ruby lines.

=====================  =============================================================
key                    Ruby
=====================  =============================================================
``nested``             ``provider.nested = VALUE``
``vmx[memsize]``       ``provider.vmx["memsize"] = VALUE``
``ssh.username``       ``machine.ssh.username = VALUE``, for any section of Vagrant's config
``storage``            a method: the value is a list of calls, each a list of arguments
``customize``          a list of VBoxManage commands, each a list of words, optionally after an event
=====================  =============================================================

A string such as ``:id`` or ``:linux`` is written as a Ruby symbol. A mapping at the end of a call is its keyword
arguments.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._core import errors
from .._core.pattern import Pattern
from .ruby_literal import literal

_OF_VIRTUALBOX = ("customize", "network_adapter")
_OF_LIBVIRT = (
    "boot", "channel", "clock_timer", "cpu_feature", "cpuaffinitiy", "cputopology", "disk_driver", "hyperv_feature",
    "input", "launchsecurity", "memorybacking", "memtune", "pci", "qemuargs", "qemuenv", "random", "redirdev",
    "redirfilter", "serial", "smartcard", "storage", "usb", "usb_controller", "watchdog",
)  # fmt: skip
_OF_MACHINES = ("vm.cloud_init", "vm.disk", "vm.network", "vm.provision", "vm.synced_folder")
#: Keys that are called; all others are assigned. No other method can be called: some of Ruby's execute their arguments.
_METHODS = frozenset((*_OF_VIRTUALBOX, *_OF_LIBVIRT, *_OF_MACHINES))
#: When the provider VirtualBox runs a command of customize; the default is before each boot.
_EVENTS = ("pre-import", "pre-boot", "post-boot", "post-comm")
_WORD = r"[a-z][A-Za-z0-9_]*"
_KEY = Pattern(rf"(?:(?P<section>{_WORD})\.)?(?P<name>{_WORD})(?:\[(?P<item>[^\]\r\n]+)\])?\Z")
_KEYWORD = Pattern(r":?([A-Za-z0-9_]+)\Z")
_BARE_KEYWORD = Pattern(rf"{_WORD}\Z")


def native_lines(native, receiver):
    """The lines of the provider's settings, or those of the machine's; ``receiver`` is "provider" or "machine"."""
    for key, value in sorted((native or {}).items()):
        parts = _KEY.match(key)
        if parts is None:
            raise errors.InvalidInput(
                f"native: {key!r} is not the name of a setting.", "Write it as name, name[item] or section.name."
            )
        if (parts["section"] is None) == (receiver == "provider"):
            yield from _setting(key, parts, value, receiver)


def keywords(values):
    """``name: value`` for each keyword argument that is not None."""
    return [f"{_keyword(name)}: {literal(value)}" for name, value in values.items() if value is not None]


def _setting(key, parts, value, receiver):
    target = ".".join(part for part in (receiver, parts["section"], parts["name"]) if part)
    if key in _METHODS:
        for arguments in _calls(key, value):
            values = _customize_arguments(arguments) if key == "customize" else arguments
            yield f"{target}({', '.join(_arguments(values))})"
        return
    item = f"[{literal(parts['item'])}]" if parts["item"] else ""
    yield f"{target}{item} = {literal(value, symbols=True)}"


def _calls(key, value):
    if isinstance(value, list) and all(isinstance(arguments, list) for arguments in value):
        return value
    raise errors.InvalidInput(
        f"native: {key} is a method, and its value is not a list of calls.",
        "Set a list of lists: one list of arguments for each call.",
    )


def _customize_arguments(words):
    """The arguments of customize: the command as one list, after an event if there is one.

    Vagrant would use any string before the list as the event.
    """
    has_event = bool(words) and words[0] in _EVENTS
    event, command = (words[:1], words[1:]) if has_event else ([], words)
    if len(command) == 1 and isinstance(command[0], list):
        command = command[0]  # It is already written as the method expects it.
    if not command or any(isinstance(word, (list, Mapping)) for word in command):
        raise errors.InvalidInput(
            f"native: customize: {words} is not a command of VBoxManage.",
            f'Write its words, as [modifyvm, ":id", --vram, 16], with one of {", ".join(_EVENTS)} in front or without.',
        )
    return [*event, command]


def _arguments(values):
    if values and isinstance(values[-1], Mapping):
        named = [f"{_keyword(name)}: {literal(value, symbols=True)}" for name, value in values[-1].items()]
        return [*_arguments(values[:-1]), *named]
    return [literal(value, symbols=True) for value in values]


def _keyword(name):
    word = _KEYWORD.match(name)
    if word is None:
        raise errors.InvalidInput(f"{name!r} is not a keyword in Ruby.", "Use letters, digits and '_'.")
    # Names that do not begin with a lower-case letter, such as QEMU_AUDIO_DRV or 0, are written in quotes.
    return word[1] if _BARE_KEYWORD.match(word[1]) else literal(word[1])
