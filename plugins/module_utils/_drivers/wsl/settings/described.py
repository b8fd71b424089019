# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: what a distribution has that no option sets, or that was not read: descriptions name it."""

from __future__ import annotations

import re

from .guest_files import GUEST, NATIVE_KEYS

_NO_OPTION = "No option sets this {}: {}."
_UNREAD = "It can be read only while the distribution is running."
#: Bits of Flags that are set unless somebody clears them: programs of Windows, its PATH, its drives.
_USUAL_FLAGS = 0x7
_USUAL_COMMAND_LINE = re.compile(r"BOOT_IMAGE=/kernel init=/init( r[ow])?")
#: What WSL itself stores; the language is that of Windows.
_USUAL_VARIABLES = re.compile(
    r"HOSTTYPE=\w+|LANG=.*|TERM=xterm-256color"
    r"|PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin(:/usr/games)?(:/usr/local/games)?"
)


def not_modelled(distro):
    """Return {path: reason} of what a description lacks."""
    found = {f"registry.{name}": _NO_OPTION.format("value", value) for name, value in _unusual(distro.raw).items()}
    if distro.guest is None:
        return {**found, **dict.fromkeys(GUEST, _UNREAD)}
    users, uid, named = distro.guest.users, distro.raw.get("DefaultUid") or 0, distro.conf.get("user.default")
    if named not in users and uid not in users.values():
        found["registry.DefaultUid"] = f"/etc/passwd has no user with the uid {uid}."
    described = {*NATIVE_KEYS, "boot.systemd", *(["user.default"] if named in users else [])}
    unknown = {key: value for key, value in distro.conf.items() if key not in described}
    return {**found, **{f"wsl.conf.{key}": _NO_OPTION.format("line", value) for key, value in unknown.items()}}


def _unusual(raw):
    """Return {name: value} of the values of the registry that are not as WSL stores them."""
    flags, line, variables = (raw.get(name) for name in ("Flags", "KernelCommandLine", "DefaultEnvironment"))
    is_usual = {
        "Flags": flags is None or flags & _USUAL_FLAGS == _USUAL_FLAGS,
        "KernelCommandLine": not line or _USUAL_COMMAND_LINE.fullmatch(line),
        "DefaultEnvironment": all(map(_USUAL_VARIABLES.fullmatch, variables or ())),
    }
    return {name: raw[name] for name, usual in is_usual.items() if not usual}
