# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Combinations of values that together reach each line of each template."""

from __future__ import annotations

from unit.roles.unattended_install.rendering import KEY, STATIC, layout, values

SMALL = layout(("/", "4G", True), ("swap", "1G", False))
LARGE = layout(("/", "10G", False), ("swap", "512M", False), ("/home", "20G", True), ("/var/log", "1T", False))
COMMANDS = {"early_commands": ["echo 'early one'", "true"], "late_commands": ['echo "late\nlines"', "echo %end"]}
_LATE = {"late_commands": ['echo "late & <more>"', "dir"]}
PACKAGES = {"openbsd": ["rsync--", "python%3"], "kickstart": ["vim-enhanced", "@^minimal-environment"]}
_MIRRORS = {
    "openbsd": "https://mirror.example.org/pub/OpenBSD",
    "kickstart": "http://mirror.example.org/rocky/9",
    "alpine": "http://mirror.example.org/alpine",
}


def samples(installer):
    """Yield (name, (values, other arguments of ``rendered``))."""
    yield "plain", (values(installer), {})
    if installer == "windows":
        yield "uefi", (values(installer), {"uefi": True})
        key = "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"
        more = {"user": "admin", "windows_image": "Windows Server 2022 SERVERSTANDARD", "product_key": key}
        more["windows_drivers"] = [r"E:\vioscsi\2k22\amd64", r"E:\NetKVM\2k22\amd64"]
        yield "more", (values(installer, timezone="W. Europe Standard Time", locale="de_DE.UTF-8", **more, **_LATE), {})
        return
    mirror = _MIRRORS.get(installer, "http://mirror.example.org:8080/packages")
    yield "static", (values(installer, network=STATIC, domain="example.org", password_hash="", ssh_keys=[KEY, KEY]), {})
    yield "interface", (values(installer, network={**STATIC, "interface": "vio1", "nameservers": []}), {})
    yield "screen", (values(installer, keyboard="de", ssh_keys=[]), {"serial": False})
    yield "mirror", (values(installer, mirror=mirror, proxy="http://proxy.example.org:3128"), {})
    yield "layout", (values(installer, disk_layout=SMALL), {})
    yield "uefi", (values(installer, disk_layout=SMALL), {"uefi": True})
    yield "root", (values(installer, full_name="Ann Müller" if installer != "alpine" else ""), {"root_login": True})
    yield "packages", (values(installer, packages=PACKAGES.get(installer, ["rsync", "curl"])), {})
    commands = COMMANDS if installer != "openbsd" else {"late_commands": COMMANDS["late_commands"]}
    yield "commands", (values(installer, **commands), {})
    options = 'from="192.0.2.0/24",command="echo \\"a b\\"",no-pty'
    yield "key with options", (values(installer, ssh_keys=[f"{options} {KEY}"]), {})
    if installer == "preseed":
        yield "security", (values(installer, security_mirror="http://mirror.example.org:8080/debian-security/"), {})
    if installer in ("autoinstall", "kickstart", "preseed"):
        yield "variant", (values(installer, keyboard="us(intl)"), {})
    if installer != "openbsd":
        yield "arm64", (values(installer, disk_layout=SMALL), {"uefi": True, "architecture": "arm64"})
    if installer == "openbsd":
        yield "site from a CD", (values(installer, disk_layout=SMALL), {"site_from_cd": True})
    if installer != "alpine":
        yield "many partitions", (values(installer, disk_layout=LARGE), {})
