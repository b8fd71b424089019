# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of Linux distributions: what libvirt needs, and the commands of apt and dpkg, dnf and rpm, pacman.

Which distribution a host runs is decided by its package manager, never by a name or localised text. Packages are
removed with dpkg, rpm and pacman -R: they refuse if an installed package still needs one of them, where apt-get and
dnf would remove that one, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Seconds that an installation may take: packages are downloaded.
INSTALLATION = 1800
_REFUSED = re.compile(r"error processing (?:package )?([a-z0-9.+-]+)(?::\w+)? \(--\w+\)")
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


@dataclass(frozen=True)
class Manager:
    """One package manager: its commands as argv without the names of packages, and what libvirt needs with it.

    ``listing`` prints the name of each installed package on a line, with apt also what it provides. ``update``:
    refreshes the index, or empty.
    ``tests_removal``: as ``remove``, but changes nothing, and fails if another package needs one of the names.
    ``packages``: {architecture: names}; ``units``: what systemd has to start.
    ``is_tried``: commands and names were tried on a real system, not only read in its documentation.
    """

    name: str
    programs: tuple[str, ...]
    listing: tuple[str, ...]
    update: tuple[str, ...]
    install: tuple[str, ...]
    install_files: tuple[str, ...]
    suffixes: tuple[str, ...]
    tests_removal: tuple[str, ...]
    remove: tuple[str, ...]
    packages: dict
    units: tuple[str, ...]
    is_tried: bool
    environment: dict


_APT = ("apt-get", "install", "-y", "-q", "--no-install-recommends")
_DEBIAN = ("qemu-utils", "libvirt-daemon-system", "libvirt-clients", "libvirt-daemon-driver-qemu", "dnsmasq-base")
_DEBIAN_MORE = ("iptables", "xorriso")
_RPM_PACKAGES = ("qemu-kvm", "qemu-img", "libvirt-daemon-kvm", "libvirt-client", "xorriso")

MANAGERS = (
    Manager(
        "apt",
        ("apt-get", "dpkg", "dpkg-query"),
        ("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Provides}\\n"),
        ("apt-get", "update", "-q"),
        _APT,
        _APT,
        (".deb",),
        ("dpkg", "--no-act", "--purge"),
        ("dpkg", "--purge"),
        {
            "amd64": ("qemu-system-x86", "ovmf", *_DEBIAN, *_DEBIAN_MORE),
            "arm64": ("qemu-system-arm", "qemu-efi-aarch64", *_DEBIAN, *_DEBIAN_MORE),
        },
        ("libvirtd.service",),
        True,
        _QUIET,
    ),
    Manager(
        "dnf",
        ("dnf", "rpm"),
        ("rpm", "-qa", "--qf", "installed %{NAME}\\n"),
        (),
        ("dnf", "install", "-y", "-q", "--setopt=install_weak_deps=False"),
        ("dnf", "install", "-y", "-q", "--setopt=install_weak_deps=False", "--disablerepo=*"),
        (".rpm",),
        ("rpm", "-e", "--test"),
        ("rpm", "-e"),
        {"amd64": ("edk2-ovmf", *_RPM_PACKAGES), "arm64": ("edk2-aarch64", *_RPM_PACKAGES)},
        ("virtqemud.socket", "virtnetworkd.socket", "virtstoraged.socket", "virtnodedevd.socket"),
        False,
        {},
    ),
    Manager(
        "pacman",
        ("pacman",),
        ("pacman", "-Q"),
        (),
        ("pacman", "-S", "--noconfirm", "--needed"),
        ("pacman", "-U", "--noconfirm", "--needed"),
        (".pkg.tar.zst", ".pkg.tar.xz"),
        ("pacman", "-R", "--print"),
        ("pacman", "-Rn", "--noconfirm"),
        {"amd64": ("qemu-base", "qemu-img", "libvirt", "dnsmasq", "edk2-ovmf", "libisoburn")},
        ("libvirtd.service",),
        False,
        {},
    ),
)


def installed(manager, text):
    """Return the names of the installed packages in the output of ``listing``."""
    pairs = (line.split() for line in text.splitlines() if line.strip())
    if manager.name == "pacman":
        return frozenset(words[0] for words in pairs)
    return frozenset(words[1] for words in pairs if len(words) > 1 and words[0] == "installed")


def provided(manager, text):
    """Return other names that installed packages stand for, such as qemu-kvm on Debian. Only apt lists them."""
    rows = [line.split(None, 2) for line in text.splitlines()] if manager.name == "apt" else []
    texts = [row[2] for row in rows if len(row) > 2 and row[0] == "installed"]
    return frozenset(one.split()[0] for text in texts for one in text.split(",") if one.strip())


def refused(text):
    """Return the names of the packages that dpkg does not remove, from its error output in the C locale."""
    return set(_REFUSED.findall(text))
