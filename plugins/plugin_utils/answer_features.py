# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between installers: formats of hashes and packages, and options that an installer lacks."""

from __future__ import annotations

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

_RESERVED_USERS = frozenset(
    [
        *("root", "daemon", "operator", "bin", "build", "sshd", "www", "nobody", "ftp", "sys", "sync", "games", "man"),
        *("lp", "mail", "news", "uucp", "proxy", "backup", "list", "irc", "adm", "tty", "disk", "kmem", "dialout"),
        *("fax", "voice", "cdrom", "floppy", "tape", "sudo", "audio", "dip", "src", "gnats", "shadow", "utmp", "video"),
        *("plugdev", "staff", "users", "nogroup", "wheel", "halt", "shutdown", "installer"),
    ]
)
#: {installer: further names that it rejects}. Debian: reserved-usernames of user-setup in Debian 13.
_RESERVED_BY = {
    "autoinstall": frozenset(["admin"]),
    "preseed": frozenset(
        [
            *("www-data", "sasl", "netplan", "ftn", "mysql", "tac-plus", "alias", "qmail", "qmaild", "qmails"),
            *("qmailr", "qmailq", "qmaill", "qmailp", "asterisk", "vpopmail", "vchkpw", "slurm", "hacluster"),
            *("haclient", "grsec-tpe", "grsec-sock-all", "grsec-sock-clt", "grsec-sock-srv", "grsec-proc", "ceph"),
            *("opensrf", "libvirt-qemu", "admin", "Debian-exim", "bind", "crontab", "cupsys", "dcc", "dhcp", "dictd"),
            *("dnsmasq", "dovecot", "fetchmail", "firebird", "fuse", "gdm", "haldaemon", "hplilp", "identd", "input"),
            *("jwhois", "klog", "kvm", "lpadmin", "messagebus", "mythtv", "netdev", "powerdev", "radvd", "render"),
            *("saned", "sbuild", "scanner", "slocate", "ssh", "ssl-cert", "sslwrap", "statd", "syslog", "telnetd"),
            *("tftpd"),
        ]
    ),
}


def is_reserved(user, installer):
    """Return whether a user of this name already exists in the new system, or is rejected by the installer."""
    if installer == "windows":
        return False
    return user in _RESERVED_USERS or user in _RESERVED_BY.get(installer, ())


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
        "disk_layout": "Windows is installed on the whole disk. Remove the option.",
        "early_commands": "commands run after Windows was installed only. Use late_commands.",
        "packages": "Windows Setup installs no packages. Use late_commands.",
        "mirror": "Windows is installed from its medium. Remove the option.",
        "proxy": "Windows is installed from its medium. Remove the option.",
        "domain": "Windows joins no domain here. Remove the option.",
        "full_name": "is not supported with Windows. Remove the option.",
        "password_hash": "Windows Setup reads no hashes. Set password instead.",
        "ssh_keys": "Windows Setup knows no SSH keys. Set password, and write the keys with late_commands.",
    },
}
#: Options that only one installer supports.
_ONLY = {
    "windows_image": "windows",
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
    yield from _CHECKS.get(installer, _no_problems)(values)


def _is_set(values, name):
    return bool(values[name]) and values[name] != DEFAULTS.get(name)


def _no_problems(values):
    return ()


def _openbsd(values):
    has_site = values["site_set"] or values.get("site_from_cd")
    for name in ("packages", "late_commands"):
        if values[name] and not has_site:
            yield (
                f"{name}: OpenBSD's installer gets them in a set of files of its own. Set site_set to true, and serve "
                "the set from the mirror."
            )
    if values["site_set"] and not values["mirror"]:
        yield "site_set: needs a mirror that has the set. Set mirror."
    if any(part.get("filesystem") for part in values["disk_layout"]):
        yield "disk_layout: OpenBSD has one file system. Remove filesystem."
    if values.get("serial") and _is_set(values, "keyboard"):
        yield "keyboard: OpenBSD's installer sets no layout on a serial console. Remove the option."


def _alpine(values):
    others = [part["mount"] for part in values["disk_layout"] if part["mount"] not in ("/", "swap")]
    if others:
        yield f"disk_layout: Alpine's setup-disk creates only / and swap, not {', '.join(others)}."
    if any(part["mount"] == "/" and not part.get("grow") for part in values["disk_layout"]):
        yield "disk_layout: Alpine's setup-disk gives / the whole rest of the disk. Set grow to true."


def _preseed(values):
    if values["network"]["method"] == "dhcp" and values["network"].get("nameservers"):
        yield "network.nameservers: Debian's installer gets them from DHCP. Use method static, or remove them."


def _windows(values):
    if not values["password"]:
        yield "password: is required for Windows, because Windows Setup reads no hashes."
    if values["network"]["method"] == "static":
        yield "network: Windows Setup uses DHCP. Set a static address with late_commands."
    elif values["network"].get("nameservers") or values["network"].get("interface"):
        yield "network: Windows Setup takes no nameservers and no interface. Set them with late_commands."


_CHECKS = {"openbsd": _openbsd, "alpine": _alpine, "preseed": _preseed, "windows": _windows}
