# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answer files in process, with Ansible's own filters. test_role.py compares them with those that the role writes."""

from __future__ import annotations

import ast
from functools import cache

import jinja2
import yaml
from ansible.plugins.filter.core import FilterModule as CoreFilters
from ansible.plugins.filter.mathstuff import FilterModule as MathFilters
from ansible.plugins.test.core import TestModule as CoreTests
from ansible_collections.polyvirt.core.plugins.filter.password_hash_for import password_hash_for
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.catalogue import entries_of, of_architecture

from collection_path import CHECKOUT

ROLE = CHECKOUT / "roles" / "unattended_install"
DISTRIBUTIONS = {
    "alpine": "alpine-3.24",
    "autoinstall": "ubuntu-26.04",
    "kickstart": "rocky-9",
    "openbsd": "openbsd-7.9",
    "preseed": "debian-13",
    "windows": "windows-server-2022",
}
VARS = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
FILES = VARS["__unattended_install_files"]
#: The tables of Windows that the role gives to its checks.
WINDOWS_NAMES = yaml.safe_load((ROLE / "files" / "windows.yml").read_text(encoding="utf-8"))
HASH = "$6$rounds=5000$saltsalt$" + "a" * 86
BCRYPT = "$2b$10$" + "a" * 53
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1 me@desk"
DHCP = {"method": "dhcp", "address": "", "gateway": "", "nameservers": [], "interface": ""}
STATIC = {
    "method": "static",
    "address": "192.0.2.10/26",
    "gateway": "192.0.2.1",
    "nameservers": ["192.0.2.2", "192.0.2.3"],
    "interface": "",
}


@cache
def catalogue():
    """{name: entry} of the shipped catalogue."""
    files = sorted((CHECKOUT / "templates" / "catalogue").glob("*.yml"))
    entries = [entry for path in files for entry in entries_of(yaml.safe_load(path.read_text()), path.name)]
    return {entry["name"]: entry for entry in entries}


def values(installer, **changes):
    """Values as the role checks them: accepted by every installer, with changes."""
    windows = installer == "windows"
    given = {
        "installer": installer,
        "hostname": "web1",
        "domain": "",
        "user": "Administrator" if windows else "ansible",
        "full_name": "",
        "password": "secret" if windows else "",
        "password_hash": {"openbsd": BCRYPT, "windows": ""}.get(installer, HASH),
        "ssh_keys": [] if windows else [KEY],
        "locale": "en_US.UTF-8",
        "keyboard": "us",
        "timezone": "UTC",
        "disk": {"openbsd": "", "windows": "0"}.get(installer, "/dev/vda"),
        "disk_layout": [],
        "network": DHCP,
        "packages": [],
        "early_commands": [],
        "late_commands": [],
        "mirror": "",
        "security_mirror": "",
        "proxy": "",
        "sets": ["-game*", "-x*"],
        "site_set": False,
        "disklabel_url": "file:///disklabel",
        "windows_image": "",
        "windows_language": "",
        "windows_drivers": [],
        "product_key": "",
        "windows_password_expires": False,
        "windows_names": WINDOWS_NAMES if windows else {},
    }
    given.update(changes)
    if installer == "openbsd" and (given["packages"] or given["late_commands"]):
        given.update(site_set=True, mirror=given["mirror"] or "https://mirror.example.org/pub/OpenBSD")
    return given


def layout(*parts):
    """A disk layout from (mount, size, grow)."""
    return [{"mount": mount, "size": size, "grow": grow, "filesystem": ""} for mount, size, grow in parts]


def rendered(
    given, distribution=None, serial=True, uefi=False, root_login=False, site_from_cd=False, architecture="amd64"
):
    """{name of a file: its text} for values."""
    entry = of_architecture(catalogue()[distribution or DISTRIBUTIONS[given["installer"]]], architecture)
    answers = {
        **given,
        **derived(given, "timezone", "windows_locale", "windows_user_locales"),
        "distribution": entry["distribution"],
        "version": entry["version"],
        "codename": entry["codename"],
        "arch": {"amd64": "x86_64", "arm64": "aarch64"}[architecture],
        "mirror": given["mirror"] or entry["package_mirror"],
        "own_mirror": bool(given["mirror"]) or site_from_cd,
        "site_from_cd": site_from_cd,
        "is_on_hyperv": given.get("is_on_hyperv", False),
        "full_name": given["full_name"] or given["user"],
        "fqdn": ".".join(filter(None, [given["hostname"], given["domain"]])),
        "serial": serial,
        "console": entry["serial_console"] if serial else "",
        "uefi": uefi,
        "is_server": entry["distribution"] == "windows-server",
        "root_login": root_login,
        "passwordless_sudo": True,
        "marker": r"C:\ProgramData\polyvirt-installed"
        if given["installer"] == "windows"
        else "/etc/polyvirt-installed",
    }
    installer = given["installer"]
    return {
        name: _environment().get_template(f"{installer}/{name}.j2").render(answers=answers) for name in FILES[installer]
    }


def derived(given, *names):
    """{name: value} that the role derives from values with its own expressions."""
    known = {
        "__unattended_install_windows_names": WINDOWS_NAMES,
        "__unattended_install_values": given,
        "__unattended_install_installer": given["installer"],
    }
    found = {name: VARS["__unattended_install_derived"][name] for name in names}
    texts = {name: _environment().from_string(text).render(**known).strip() for name, text in found.items()}
    return {name: ast.literal_eval(text) if text.startswith("[") else text for name, text in texts.items()}


def script(given, name="finish.sh", root_login=False):
    """One of the scripts that answer files contain."""
    entry = catalogue()[DISTRIBUTIONS[given["installer"]]]
    fqdn = ".".join(filter(None, [given["hostname"], given["domain"]]))
    answers = {**given, "fqdn": fqdn, "console": entry["serial_console"], "marker": "/etc/polyvirt-installed"}
    answers.update(passwordless_sudo=True, root_login=root_login)
    return _environment().get_template(f"{name}.j2").render(answers=answers)


@cache
def _environment():
    made = jinja2.Environment(  # the values are quoted for other formats than HTML
        loader=jinja2.FileSystemLoader(str(ROLE / "templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    # Ansible's "default" knows only the undefined values of its own templates.
    made.filters.update({**CoreFilters().filters(), **MathFilters().filters(), "default": made.filters["default"]})
    made.filters["polyvirt.core.password_hash_for"] = password_hash_for
    made.tests.update(CoreTests().tests())
    return made
