# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings and errors that only WSL has."""

from __future__ import annotations

from suite.scenarios.refusals import Refused

TIB = 1 << 40


def settings():
    """Settings that only this platform has, or with values of its own, as in ``scenarios.options``."""
    unusable = dict.fromkeys(("version", "default", "install_location", "sparse", "export"), ((None, None),) * 2)
    return {
        **unusable,
        "disks": (([{"size": "1T"}], TIB), ([{"size": "2T"}], 2 * TIB)),
        "default_user": (("anna", "anna"), ("berta", "berta")),
        "systemd": ((True, True), (False, False)),
        "keep_running": (("true", "true"), ("at_logon", "at_logon")),
    }


def refusals(platform, known, new):
    """Tasks that fail on this platform only; the VM ``known`` exists, ``new`` does not."""
    change, made = {"name": [known]}, {"name": [new]}
    gone, tar = "C:\\images\\gone.tar", platform.creation["image"]["source"]
    return [
        Refused("graceful", {**change, "state": "stopped", "stop_mode": "graceful"}, ("stop_mode", "force")),
        Refused("shrink", {**change, "disks": [{"size": "1G"}]}, (known, "1T", "1G", "at least 1T")),
        Refused("odd size", {**change, "disks": [{"size": 1.5}]}, ("disks",)),
        Refused("no image", {**made, "image": {"source": gone}}, (new, gone, "does not exist")),
        Refused("relative image", {**made, "image": {"source": "x.tar"}}, ("image.source", "x.tar", "absolute path")),
        Refused("no name of the list", {**made, "image": {"source": "Nope"}}, (new, "Nope", "Debian")),
        Refused("bad name", {"name": ["two words"], "image": {"source": tar}}, ("two words", "letters")),
        Refused("name of an option", {"name": ["-d"], "image": {"source": tar}}, ("'-'", "another name")),
        Refused("location of another", {**made, "image": {"source": tar}, "install_location": platform.base_of(known)},
                (new, "install_location", known)),
        Refused("relative location", {**made, "image": {"source": tar}, "install_location": "x"}, (new, "absolute")),
        Refused("linked image", {**made, "image": {"source": tar, "linked": True}}, ("linked", "a separate disk")),
        Refused("linked clone", {**made, "clone": {"source": known, "linked": True}}, ("linked", "a separate disk")),
        Refused("snapshot", {**made, "clone": {"source": known, "snapshot": "s"}}, ("no snapshots", "export", "image")),
        Refused("user", {**change, "default_user": "Anna B"}, (known, "default_user", "Anna B")),
        Refused("native", {**change, "native": {"boot.color": "red"}}, (known, "boot.color", "network.hostname")),
        Refused("native type", {**change, "native": {"interop.enabled": "maybe"}}, (known, "interop.enabled", "false")),
        Refused("own option", {**change, "native": {"boot.systemd": True}}, (known, "boot.systemd", "Set systemd")),
        Refused("sparse", {**change, "sparse": True}, (known, "unsafe", "allow_unsafe_sparse")),
        Refused("not default", {"name": [known], "default": False}, (known, "default", "another distribution")),
        Refused("export ending", {**change, "export": "C:\\images\\x.zip"}, (known, "export", ".tar.gz")),
        Refused("export folder", {**change, "export": "C:\\nowhere\\x.tar"}, (known, "C:\\nowhere", "Create it")),
        Refused("systemd of version 1", {**change, "version": 1, "systemd": True}, (known, "systemd", "version: 2")),
        Refused("shutdown of all", {**change, "shutdown_all": True}, ("shutdown_all", "state: stopped")),
        Refused("memory", {**change, "memory": "4G"}, ("memory", ".wslconfig", "wsl_host")),
    ]  # fmt: skip
