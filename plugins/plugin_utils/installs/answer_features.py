# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between installers: formats of hashes and packages, and options that an installer lacks."""

from __future__ import annotations

from .answer_lists import ALPINE_KEYBOARDS

_CRYPT = (r"[$](?:5|6|y|2[aby])[$][./A-Za-z0-9=,$]{20,200}", "a hash of crypt(5), such as $6$...")
HASHES = {
    **dict.fromkeys(("alpine", "autoinstall", "kickstart", "preseed"), _CRYPT),
    "openbsd": (r"[$]2[aby][$][0-9]{2}[$][./A-Za-z0-9]{53}", "a bcrypt hash, such as $2b$10$..."),
    # Hashes are not supported at all, which is reported by unsupported().
    "windows": ("(?s:.*)", ""),
}

_DEBIAN = r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9]+)?"
PACKAGES = {
    "preseed": _DEBIAN,
    "autoinstall": _DEBIAN,
    # Also groups (@core) and environments (@^minimal-environment).
    "kickstart": r"(?:@\^?)?[A-Za-z0-9][A-Za-z0-9+._-]*",
    "alpine": r"[a-z0-9][a-z0-9+._-]*",
    # Also a branch (python%3) and a flavour (vim--no_x11).
    "openbsd": r"[A-Za-z0-9][A-Za-z0-9+._%-]*",
    # Packages are not supported at all, which is reported by unsupported().
    "windows": "(?s:.*)",
}

#: Defaults of the role that are not empty.
DEFAULTS = {
    "locale": "en_US.UTF-8",
    "keyboard": "us",
    "sets": ["-game*", "-x*"],
    "disklabel_url": "file:///disklabel",
}
#: {installer: {option: what to do instead}}. If the option is set, this is reported as a problem.
_LACKS = {
    "alpine": {
        "full_name": "is not supported with Alpine. Remove the option.",
        "locale": "Alpine has no locales. Remove the option.",
    },
    "openbsd": {
        "locale": "OpenBSD's installer sets no locale. Remove the option.",
        "early_commands": "the installer of OpenBSD runs no commands before it has installed. Use late_commands.",
    },
    "windows": {
        "keyboard": "Windows uses the layout of the locale. Remove the option.",
        "disk_layout": "Windows is installed on the whole disk. Remove the option.",
        "early_commands": "commands run after Windows was installed only. Use late_commands.",
        "packages": "Windows Setup installs no packages. Use late_commands.",
        "mirror": "Windows is installed from its medium. Remove the option.",
        "proxy": "Windows is installed from its medium. Remove the option.",
        "domain": "Windows joins no domain here. Remove the option.",
        "full_name": "is not supported with Windows. Remove the option.",
        "password_hash": "Windows Setup reads no hashes. Set password instead.",
    },
}
#: Options that only one installer supports.
_ONLY = {
    "security_mirror": "preseed",
    "windows_image": "windows",
    "windows_language": "windows",
    "windows_drivers": "windows",
    "product_key": "windows",
    "site_set": "openbsd",
    "sets": "openbsd",
    "disklabel_url": "openbsd",
}


def unsupported(values):
    """Yield a sentence for each option that the installer does not support."""
    installer = values["installer"]
    for name, instead in _LACKS.get(installer, {}).items():
        if _is_set(values, name):
            yield f"{name}: {instead}"
    for name, only in _ONLY.items():
        if _is_set(values, name) and installer != only:
            yield f"{name}: is supported with {only} only. Remove the option."
    if installer in _NAMESERVERS_BY_DHCP and _has_dhcp(values) and values["network"].get("nameservers"):
        title = _NAMESERVERS_BY_DHCP[installer]
        yield f"network.nameservers: {title}'s installer gets them from DHCP. Use method static, or remove them."
    yield from _CHECKS.get(installer, _no_problems)(values)


#: {installer: its name}: those that ask for name servers only with a static address.
_NAMESERVERS_BY_DHCP = {"alpine": "Alpine", "openbsd": "OpenBSD", "preseed": "Debian"}


def _has_dhcp(values):
    return values["network"]["method"] == "dhcp"


def _is_set(values, name):
    return bool(values[name]) and values[name] != DEFAULTS.get(name)


def _no_problems(values):
    return ()


def _openbsd(values):
    has_site = values["site_set"] or values.get("site_from_cd")
    for name in ("packages", "late_commands"):
        if values[name] and not has_site:
            yield (
                f"{name}: OpenBSD's installer reads them from a separate set of files. Set site_set to true, and serve "
                "the set from the mirror."
            )
    if values["domain"] and _has_dhcp(values) and not has_site:
        yield "domain: OpenBSD's installer takes it from DHCP. Set site_set to true, or use method static."
    if "&" in values["full_name"]:
        yield "full_name: OpenBSD replaces & by the name of the user. Write 'and'."
    if values["site_set"] and not values["mirror"]:
        yield "site_set: needs a mirror that has the set. Set mirror."
    if any(part.get("filesystem") for part in values["disk_layout"]):
        yield "disk_layout: OpenBSD has one file system. Remove filesystem."
    if values.get("serial") and _is_set(values, "keyboard"):
        yield "keyboard: OpenBSD's installer sets no layout on a serial console. Remove the option."


def _alpine(values):
    if values["keyboard"] not in ALPINE_KEYBOARDS:
        yield f"keyboard: '{values['keyboard']}' is not a layout of Alpine: {', '.join(sorted(ALPINE_KEYBOARDS))}."
    others = [part["mount"] for part in values["disk_layout"] if part["mount"] not in ("/", "swap")]
    if others:
        yield f"disk_layout: Alpine's setup-disk creates only / and swap, not {', '.join(others)}."
    if any(part["mount"] == "/" and not part.get("grow") for part in values["disk_layout"]):
        yield "disk_layout: Alpine's setup-disk gives / the whole rest of the disk. Set grow to true."


def _kickstart(values):
    if not values.get("btrfs", True) and any(part.get("filesystem") == "btrfs" for part in values["disk_layout"]):
        yield "disk_layout: the installer of this distribution has no btrfs. Use xfs or ext4."


def _windows(values):
    if not values["password"]:
        yield "password: is required for Windows, because Windows Setup reads no hashes."
    if _has_dhcp(values) and (values["network"].get("nameservers") or values["network"].get("interface")):
        yield "network: Windows gets nameservers from DHCP, on all interfaces. Use method static, or remove them."
    if not _has_dhcp(values) and not values["network"].get("interface"):
        yield "network.interface: set the MAC address of the NIC that gets the static address."
    if not values.get("is_server", True) and values["user"] == "Administrator":
        yield "user: Windows 11 permits no login as Administrator. Set another name."
    if values["hostname"].lower() == values["user"].lower():
        yield "hostname: Windows permits no user with the name of the computer. Set another hostname or user."


_CHECKS = {"openbsd": _openbsd, "alpine": _alpine, "kickstart": _kickstart, "windows": _windows}
