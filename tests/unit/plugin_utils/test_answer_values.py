# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of answer files: rejected values with their messages, and free text, which templates quote."""

from __future__ import annotations

import sys
import zoneinfo

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.answer_features import DEFAULTS
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.answer_values import problems_of

from collection_path import CHECKOUT
from unit.roles.unattended_install.rendering import (
    BCRYPT,
    DHCP,
    FILES,
    HASH,
    KEY,
    ROLE,
    STATIC,
    layout,
    values,
)

#: Suffixes that values with a fixed format must not have, because a file format or shell interprets them.
ENDS = [
    "\n",
    "\nx",
    "\r",
    " x",
    "\tx",
    "$(x)",
    "`x`",
    "'",
    '"',
    ";x",
    "\\",
    "{{x}}",
    "<x>",
    "&x",
    "#x",
    "\0",
    "\u2028x",
    "ä",
]
#: {option: a valid value, to which a suffix is added}.
FIXED = {
    "hostname": "web1",
    "domain": "example.org",
    "user": "ansible",
    "locale": "en_US.UTF-8",
    "keyboard": "us",
    "timezone": "Europe/Berlin",
    "disk": "/dev/vda",
    "password_hash": HASH,
    "mirror": "http://mirror.example.org/debian",
    "proxy": "http://proxy.example.org:3128",
    "packages": "rsync",
}
LISTS = ("packages",)
BTRFS = [{**layout(("/", "4G", True))[0], "filesystem": "btrfs"}]


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("installer", sorted(set(FILES) - {"windows", "openbsd"}))
def test_value_with_a_fixed_format_and_a_suffix_is_rejected(installer, name):
    def changed(value):
        return values(installer, **{name: [value] if name in LISTS else value})

    assert problems_of(changed(FIXED[name])) == []
    assert [end for end in ENDS if not problems_of(changed(FIXED[name] + end))] == []


@pytest.mark.parametrize(
    ("installer", "name", "value"),
    [
        ("openbsd", "disk", "sd0"),
        ("openbsd", "password_hash", BCRYPT),
        ("openbsd", "disklabel_url", "http://192.0.2.1/disklabel"),
        ("openbsd", "sets", "-game*"),
        ("windows", "user", "Administrator"),
        ("windows", "timezone", "W. Europe Standard Time"),
        ("windows", "windows_image", "Windows Server 2022"),
        ("windows", "product_key", "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"),
    ],
)
def test_value_for_one_installer_with_a_suffix_is_rejected(installer, name, value):
    def changed(value):
        return values(installer, **{name: [value] if name == "sets" else value})

    assert problems_of(changed(value)) == []
    ends = [end for end in ENDS if not end.startswith(" ")]
    assert [end for end in ends if not problems_of(changed(value + end))] == []


@pytest.mark.parametrize("end", ["\n", "\r", "\0", "\x85", "\u2028", "\u2029", "\ufeff", "\ud800", " "])
def test_free_text_is_one_line(end):
    for text in (f"Ann{end}", f"Ann{end}x" if end != " " else f"{end}Ann"):
        assert problems_of(values("preseed", full_name=text))
        assert problems_of(values("preseed", ssh_keys=[f"{KEY} {text}" if end != " " else f"{KEY}{end}"]))
    is_accepted = problems_of(values("preseed", late_commands=[f"true{end}x"])) == []
    assert is_accepted == (end in ("\n", " "))


@pytest.mark.parametrize(
    "text", ["$(reboot)", "it's", 'a "b"', "`x`", "{{ x }}", "日本", "\U0001f600", "a  b", "%end", "#"]
)
def test_free_text_is_left_to_quoting(text):
    assert problems_of(values("preseed", full_name=text, ssh_keys=[f"{KEY} {text}"], late_commands=[text])) == []


@pytest.mark.parametrize(
    ("installer", "changes", "problem"),
    [
        (
            "preseed",
            {"hostname": "a.b"},
            "hostname: 'a.b' is invalid. Allowed: letters, digits and dashes (the domain is",
        ),
        ("preseed", {"hostname": "a" * 64}, "hostname: 'aaaa"),
        ("preseed", {"user": "root"}, "user: 'root' is a user or group of the system. Choose another name."),
        ("autoinstall", {"user": "admin"}, "user: 'admin' is a user or group of the system."),
        ("autoinstall", {"user": "maas"}, "user: 'maas' is a user or group of the system."),
        ("preseed", {"user": "ssl-cert"}, "user: 'ssl-cert' is a user or group of the system."),
        ("preseed", {"user": "_ann"}, "user: '_ann' is invalid. Allowed: a lower-case letter, then"),
        ("openbsd", {"user": "_ann"}, "user: '_ann' is invalid. Allowed: a lower-case letter, then"),
        ("openbsd", {"user": "no"}, "user: 'no' is a user or group of the system."),
        ("openbsd", {"full_name": "Ann & Ben"}, "full_name: OpenBSD replaces & by the name of the user."),
        (
            "openbsd",
            {"network": {**DHCP, "nameservers": ["192.0.2.2"]}},
            "network.nameservers: OpenBSD's installer gets",
        ),
        ("alpine", {"network": {**DHCP, "nameservers": ["192.0.2.2"]}}, "network.nameservers: Alpine's installer gets"),
        ("openbsd", {"domain": "example.org"}, "domain: OpenBSD's installer takes it from DHCP. Set site_set to true"),
        ("kickstart", {"disk_layout": BTRFS, "btrfs": False}, "disk_layout: the installer of this distribution has no"),
        ("alpine", {"keyboard": "fi"}, "keyboard: 'fi' is not a layout of Alpine: af, al, am,"),
        ("windows", {"keyboard": "de"}, "keyboard: Windows uses the layout of the locale. Remove the option."),
        ("openbsd", {"keyboard": "us(intl)", "serial": False}, "keyboard: 'us(intl)' is invalid. Allowed: a layout"),
        ("preseed", {"timezone": "Europe/Berln"}, "timezone: 'Europe/Berln' is not a time zone that the controller"),
        ("preseed", {"timezone": "Europe"}, "timezone: 'Europe' is not a time zone"),
        (
            "kickstart",
            {"disk_layout": layout(("/", "4G", True), ("/boot/efi", "1G", False))},
            "disk_layout: the role creates the partition for /boot/efi with firmware uefi. Remove it.",
        ),
        ("preseed", {"network": {**STATIC, "address": "192.0.2.0/26"}}, "network.address: 192.0.2.0 is the address of"),
        ("preseed", {"network": {**STATIC, "address": "192.0.2.63/26"}}, "network.address: 192.0.2.63 is the address"),
        ("preseed", {"network": {**STATIC, "address": "192.0.2.1/26"}}, "network.gateway: 192.0.2.1 is the address of"),
        ("windows", {"hostname": "a" * 16}, "hostname: 'aaaaaaaaaaaaaaaa' is invalid. Allowed: 15 characters at most."),
        ("windows", {"hostname": "2022"}, "hostname: '2022' is invalid."),
        ("windows", {"packages": ["vim"]}, "packages: Windows Setup installs no packages. Use late_commands."),
        ("windows", {"password_hash": HASH}, "password_hash: Windows Setup reads no hashes. Set password instead."),
        ("windows", {"network": STATIC}, "network.interface: set the MAC address of the NIC"),
        (
            "windows",
            {"network": {**STATIC, "interface": "Ethernet"}},
            "network.interface: 'Ethernet' is not a MAC address.",
        ),
        ("windows", {"user": "Administrator", "is_server": False}, "user: Windows 11 permits no login as"),
        ("windows", {"user": "web1"}, "hostname: Windows permits no user with the name of the computer."),
        ("windows", {"windows_language": "english"}, "windows_language: 'english' is not a language such as en-US."),
        (
            "preseed",
            {"windows_language": "en-US"},
            "windows_language: is supported with windows only. Remove the option.",
        ),
        (
            "windows",
            {"late_commands": ["x" * 8001]},
            "late_commands[0]: Windows runs commands of one line with at most",
        ),
        ("preseed", {"password": "a", "ssh_keys": []}, "password_hash: set either password or password_hash."),
        ("openbsd", {"password_hash": HASH}, "password_hash: is not a bcrypt hash, such as $2b$10$..."),
        ("openbsd", {"late_commands": ["true"], "site_set": False, "mirror": ""}, None),
        ("preseed", {"site_set": True}, "site_set: is supported with openbsd only. Remove the option."),
        (
            "alpine",
            {"disk_layout": layout(("/", "4G", False))},
            "disk_layout: Alpine's setup-disk gives / the whole rest",
        ),
        (
            "alpine",
            {"disk_layout": layout(("/", "4G", True), ("/home", "1G", False))},
            "disk_layout: Alpine's setup-disk",
        ),
        ("preseed", {"disk_layout": layout(("/home", "4G", True))}, "disk_layout: has no partition for /."),
        (
            "preseed",
            {"disk_layout": layout(("/", "4G", True), ("/", "4G", False))},
            "disk_layout: has / more than once.",
        ),
        ("preseed", {"disk_layout": layout(("/", "4", True))}, "disk_layout: /: '4' is not a size such as 4G."),
        (
            "preseed",
            {"disk_layout": layout(("/", "4G", True), ("/srv", "1G", True))},
            "disk_layout: only one partition can grow",
        ),
        (
            "preseed",
            {"disk_layout": layout(("/", "4G", True), ("srv", "1G", False))},
            "disk_layout: 'srv' is neither a path",
        ),
        (
            "preseed",
            {"network": {**STATIC, "address": "192.0.2.10"}},
            "network.address: '192.0.2.10' is not an IPv4 address",
        ),
        (
            "preseed",
            {"network": {**STATIC, "gateway": "198.51.100.1"}},
            "network.gateway: 198.51.100.1 is not in 192.0.2.0/26.",
        ),
        (
            "preseed",
            {"network": {**STATIC, "method": "dhcp", "nameservers": []}},
            "network: address and gateway need method static.",
        ),
        (
            "preseed",
            {"network": {**STATIC, "nameservers": ["dns"]}},
            "network.nameservers: 'dns' is not an IPv4 address.",
        ),
        (
            "preseed",
            {"network": {**DHCP, "nameservers": ["192.0.2.2"]}},
            "network.nameservers: Debian's installer gets them from DHCP.",
        ),
        ("windows", {"network": {**DHCP, "nameservers": ["192.0.2.2"]}}, "network: Windows gets nameservers from DHCP"),
        ("alpine", {"full_name": "Ann"}, "full_name: is not supported with Alpine. Remove the option."),
        ("alpine", {"locale": "de_DE.UTF-8"}, "locale: Alpine has no locales."),
        ("openbsd", {"locale": "de_DE.UTF-8"}, "locale: OpenBSD's installer sets no locale."),
        ("openbsd", {"keyboard": "de", "serial": True}, "keyboard: OpenBSD's installer sets no layout on a serial"),
        ("kickstart", {"sets": ["-x*"]}, "sets: is supported with openbsd only."),
        ("alpine", {"disklabel_url": "http://192.0.2.1/x"}, "disklabel_url: is supported with openbsd only."),
        (
            "preseed",
            {"keyboard": False},
            "keyboard: is false in YAML, as yes, no, on and off are too. Put it in quotes.",
        ),
        ("preseed", {"full_name": None}, "full_name: is not text. Put it in quotes, or remove the option."),
        ("preseed", {"late_commands": "reboot"}, "late_commands: is not a list."),
        ("preseed", {"late_commands": ["true", True]}, "late_commands[1]: is true in YAML"),
        ("preseed", {"ssh_keys": KEY}, "ssh_keys: is not a list."),
        ("preseed", {"network": {**STATIC, "nameservers": "192.0.2.2"}}, "network.nameservers: is not a list."),
        ("preseed", {"network": {**STATIC, "gateway": 10}}, "network.gateway: is not text."),
        ("preseed", {"disk_layout": layout((5, "4G", True))}, "disk_layout[0].mount: is not text."),
        ("preseed", {"mirror": "ftp://a/b"}, "mirror: 'ftp://a/b' is not an address such as"),
        ("preseed", {"proxy": "http://me:secret@a/"}, "proxy: an address with @, as one with a password has, is"),
        ("preseed", {"mirror": "http://me@a/"}, "mirror: an address with @, as one with a password has, is"),
        (
            "preseed",
            {"security_mirror": "https://a/b"},
            "security_mirror: 'https://a/b' is not an address such as http:",
        ),
        (
            "kickstart",
            {"security_mirror": "none"},
            "security_mirror: is supported with preseed only. Remove the option.",
        ),
        ("windows", {"windows_drivers": ["E:/viostor"]}, "windows_drivers: 'E:/viostor' is not a directory such as E:"),
        ("windows", {"windows_drivers": "E:"}, "windows_drivers: is not a list."),
        (
            "preseed",
            {"windows_drivers": ["E:\\a"]},
            "windows_drivers: is supported with windows only. Remove the option.",
        ),
        ("preseed", {"ssh_keys": [f'from="192.0.2.1 {KEY}']}, "ssh_keys[0]: is not a public key in one line"),
        ("preseed", {"ssh_keys": [f"no-pty, {KEY}"]}, "ssh_keys[0]: is not a public key in one line"),
    ],
)
def test_problem_is_named(installer, changes, problem):
    found = problems_of(values(installer, **changes))
    if problem is None:
        # values() sets site_set for OpenBSD, which needs it for these options.
        given = {**values(installer, **changes), "site_set": False, "mirror": ""}
        found, problem = (
            problems_of(given),
            "late_commands: OpenBSD's installer reads them from a separate set of files.",
        )
    assert len(found) == 1
    assert found[0].startswith(problem)


@pytest.mark.parametrize(
    ("installer", "changes"),
    [
        *(("preseed", {"user": name}) for name in "tfpd"),
        ("autoinstall", {"user": "_ann"}),
        ("kickstart", {"disk_layout": BTRFS, "btrfs": True}),
        ("kickstart", {"keyboard": "us(intl)"}),
        ("preseed", {"security_mirror": "none"}),
        ("kickstart", {"ssh_keys": [f'from="192.0.2.0/24,!192.0.2.9",no-pty {KEY}']}),
        ("openbsd", {"domain": "example.org", "network": STATIC}),
        ("openbsd", {"domain": "example.org", "site_from_cd": True}),
        ("preseed", {"network": {**STATIC, "address": "192.0.2.0/31"}}),
    ],
)
def test_value_is_accepted(installer, changes):
    assert problems_of(values(installer, **changes)) == []


#: {row of the table in docs/installs.md: values that need it}
ROWS = {
    "static address": {"network": STATIC},
    "disk layout": {"disk_layout": layout(("/", "4G", True), ("swap", "1G", False))},
    "packages": {"packages": ["rsync"]},
    "early commands": {"early_commands": ["true"]},
    "late commands": {"late_commands": ["true"]},
    "name servers with DHCP": {"network": {**DHCP, "nameservers": ["192.0.2.2"]}},
    "domain with DHCP": {"domain": "example.org", "site_from_cd": True},
    "full name": {"full_name": "Ann"},
    "locale": {"locale": "de_DE.UTF-8"},
    "keyboard": {"keyboard": "de", "serial": False},
    "keyboard variant": {"keyboard": "us(intl)", "serial": False},
    "`btrfs`": {"disk_layout": BTRFS},
    "password hash": {},
}
COLUMNS = ["preseed", "autoinstall", "kickstart", "alpine", "openbsd", "windows"]


def test_table_of_the_guide_names_what_is_rejected():
    text = (CHECKOUT / "docs" / "installs.md").read_text(encoding="utf-8")
    table = text[text.index("| | Debian | Ubuntu |") :].split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert [row[0] for row in rows] == list(ROWS)
    hashes = {"openbsd": BCRYPT}
    for title, *cells in rows:
        for installer, cell in zip(COLUMNS, cells):
            changes = ROWS[title] or {"password_hash": hashes.get(installer, HASH)}
            found = problems_of(values(installer, **changes))
            assert (cell == "–") == bool(found), (title, installer, found)


def test_all_time_zones_are_accepted_where_the_controller_has_none(monkeypatch, tmp_path):
    zoneinfo.reset_tzpath([str(tmp_path)])
    zoneinfo.ZoneInfo.clear_cache()
    # Python's own package of time zones comes second.
    monkeypatch.setitem(sys.modules, "tzdata", None)
    try:
        assert problems_of(values("preseed", timezone="Europe/Berln")) == []
    finally:
        zoneinfo.reset_tzpath()


def test_openbsd_sets_a_keyboard_on_a_screen():
    assert problems_of(values("openbsd", keyboard="de", serial=False)) == []


def test_defaults_are_those_of_the_role():
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    assert {name: defaults[f"unattended_install_{name}"] for name in DEFAULTS} == DEFAULTS


def test_no_secret_is_shown():
    secret = "hunter2\n"
    for installer in FILES:
        text = " ".join(problems_of(values(installer, password=secret, password_hash=secret, product_key=secret)))
        assert "hunter2" not in text
        assert "hunter2" not in " ".join(problems_of(values(installer, proxy="http://me:hunter2@proxy.example.org/")))
