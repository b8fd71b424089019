# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: settings in files of a distribution, /etc/wsl.conf and /etc/passwd: reading them, and changing wsl.conf.

``write(distro, change)`` returns {key of wsl.conf: value, or None to remove it}.
"""

from __future__ import annotations

import re
from secrets import token_hex
from shlex import quote

from ...._core.errors import Refused
from ...._core.frozen import Frozen
from ...._core.model import NEXT_BOOT
from ...._core.pattern import Pattern
from ...._kit.settings import Setting, options_of_native
from ...._tools import wsl_conf

#: wsl.conf, and its copy from before the first change since the start: /run is empty at each start.
CONF, _STARTED_WITH = "/etc/wsl.conf", "/run/polyvirt-wsl.conf"
#: Separates the files in the output of the script; it is random, so that no file contains it.
_END = f"polyvirt~{token_hex(16)}"
#: Bytes of a file: Windows PowerShell 5.1 returns no text of more than 2 MB, and base64 makes a text longer by a third.
_LARGEST = 400_000
_USER = Pattern(r"[a-z_][a-z0-9_-]{0,31}")
#: Keys of wsl.conf and the types of their values, from WslDistributionConfig.cpp.
_NATIVE = {
    "automount.enabled": bool, "automount.root": str, "automount.options": str, "automount.mountFsTab": bool,
    "automount.ldconfig": bool, "automount.cgroups": str, "filesystem.umask": str, "interop.enabled": bool,
    "interop.appendWindowsPath": bool, "network.generateHosts": bool, "network.generateResolvConf": bool,
    "network.hostname": str, "time.useWindowsTimezone": bool, "gpu.enabled": bool, "gpu.appendLibPath": bool,
    "boot.command": str, "boot.initTimeout": int, "boot.protectBinfmt": bool, "general.guiApplications": bool,
}  # fmt: skip
#: {key in lower case: key}
NATIVE_KEYS = {key.lower(): key for key in _NATIVE}


class GuestFiles(Frozen):
    """The files that were read in a distribution: wsl.conf now and as at its start, and {user: uid} of its users."""

    conf: str
    started_with: str
    users: dict

    @classmethod
    def parsed(cls, output):
        """Return the files in the output of ``READ_FILES``, in bytes."""
        users, conf, started_with = output.decode("latin-1").split(f"{_END}\n")
        lines = [line.split(":") for line in users.encode("latin-1").decode("utf-8", "replace").splitlines()]
        uids = {fields[0]: int(fields[2]) for fields in lines if len(fields) > 3 and fields[2].isdigit()}
        conf = conf[:-1]  # The script adds a newline after wsl.conf, and one before its copy.
        return cls(conf, started_with[1:] if started_with else conf, uids)


# Scripts for a distribution -------------------------------------------------------------------------------------------


def _if_small(files, script):
    """Return a script that runs ``script`` only if none of the files is too large to be returned."""
    too_large = f"test -e $file && test $(wc -c < $file) -gt {_LARGEST}"
    check_size = f"if {too_large}; then echo $file has more than {_LARGEST} bytes; exit 1; fi"
    return f"for file in {' '.join(files)}; do {check_size}; done; {script}"


READ_FILES = _if_small(
    ("/etc/passwd", CONF, _STARTED_WITH),
    f"cat /etc/passwd; echo {_END}; if test -e {CONF}; then cat {CONF}; fi; echo; echo {_END};"
    f" if test -e {_STARTED_WITH}; then echo; cat {_STARTED_WITH}; fi",
)
READ_CONF = _if_small([CONF], f"if test -e {CONF}; then cat {CONF}; fi")


def find_user_script(user):
    """Return a script that fails if there is no such user. It only reads, unlike the script that adds one."""
    return f"id -u {quote(user)}"


def add_user_script(user):
    return f"useradd -m -s /bin/bash {quote(user)} || adduser -D {quote(user)}"


def write_conf_script(length):
    """Return a script that replaces wsl.conf with its input, unless that is incomplete.

    Before the first change after a start, it copies wsl.conf, so that the settings in effect remain known. If wsl.conf
    is a symbolic link, its target is replaced. Without field separators and patterns, no path needs quotes.
    """
    return (
        f"umask 022; IFS=; set -f; conf=$(readlink -f {CONF}); conf=${{conf:-{CONF}}}; new=$conf.polyvirt;"
        f" if ! test -e {_STARTED_WITH}; then if test -e {CONF}; then cp {CONF} {_STARTED_WITH};"
        f" else touch {_STARTED_WITH}; fi; fi; if test -e {CONF}; then cp -p $conf $new; fi;"
        f" cat > $new && wc -c < $new | grep -qx {length} && mv -f $new $conf || {{ rm -f $new; exit 1; }}"
    )


# Reading --------------------------------------------------------------------------------------------------------------


def _read_user(distro):
    """Return the user of new sessions: the one in wsl.conf if it exists, else the one with the uid in the registry."""
    users, in_conf = distro.guest.users, distro.conf.get("user.default", "")
    of_uid = (name for name, uid in users.items() if uid == (distro.raw.get("DefaultUid") or 0))
    return in_conf if in_conf in users else next(of_uid, "root")


def _read_systemd(distro):
    return wsl_conf.boolean(distro.conf.get("boot.systemd"), False)


def _read_native(distro):
    if distro.options.get("describe"):
        return {known: distro.conf[key] for key, known in NATIVE_KEYS.items() if distro.conf.get(key) is not None}
    keys = [NATIVE_KEYS.get(key.lower(), key) for key in distro.options.get("native") or ()]
    return {key: distro.conf.get(key.lower()) for key in keys} if keys else None


# Normalizing ----------------------------------------------------------------------------------------------------------


def _normalized_user(vm, user, _observer):
    if user is not None and not _USER.fullmatch(user):
        raise Refused(
            f"{vm.name}: default_user: '{user}' cannot be the name of a user.",
            "Use small letters, digits, '-' and '_', beginning with a letter.",
        )
    return user


def _normalized_native(vm, native, _observer):
    return {_key(vm, key): _value(vm, key, value) for key, value in native.items()}


def _key(vm, key):
    option = options_of_native(GUEST).get(key.lower())
    if option:
        raise Refused(f"{vm.name}: native: {key} has an option.", f"Set {option}.")
    if key.lower() not in NATIVE_KEYS:
        known = ", ".join(sorted(_NATIVE))
        raise Refused(f"{vm.name}: native: '{key}' is not a key of wsl.conf.", f"Supported keys: {known}.")
    return NATIVE_KEYS[key.lower()]


def _value(vm, key, value):
    """Return a value in the format of wsl.conf; None removes the key."""
    if value is None:
        return None
    kind, text = _NATIVE[NATIVE_KEYS[key.lower()]], str(value)
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower()
    is_number = kind is int and not isinstance(value, bool) and re.fullmatch(r"-?\d+", text)
    if is_number or (kind is str and not isinstance(value, (bool, list, dict)) and "\r" not in text):
        return text
    expected = {bool: "true or false", int: "a whole number", str: "text"}[kind]
    raise Refused(f"{vm.name}: native.{key}: {value!r} is not {expected}.", "Correct the value.")


def _write_systemd(_distro, change):
    return {"boot.systemd": "true" if change.new else "false"}


def _write_native(_distro, change):
    return {change.key: change.new}


GUEST = {
    "systemd": Setting(NEXT_BOOT, read=_read_systemd, write=_write_systemd, native=("boot.systemd",)),
    "default_user": Setting(
        NEXT_BOOT,
        unset="root",
        read=_read_user,
        normalize=_normalized_user,
        write=lambda _distro, change: {"user.default": change.new} if change.new else {},
        native=("user.default",),
    ),
    "native": Setting(NEXT_BOOT, read=_read_native, normalize=_normalized_native, write=_write_native),
}
