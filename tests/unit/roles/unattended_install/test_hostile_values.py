# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every value is either rejected, or the reader of the format gets exactly this value and no other answer changes."""

from __future__ import annotations

import pytest
from hypothesis import given, seed, settings

from suite import belts
from unit.roles.unattended_install import reading
from unit.roles.unattended_install.hostile import cases, is_accepted
from unit.roles.unattended_install.rendering import FILES, derived, rendered, script, values
from windows_guests import setup

FULL, DEEP = 60, 2000


def preseed(given, files):
    read = reading.preseed(files["preseed.cfg"])
    plain = reading.preseed(rendered(values("preseed"))["preseed.cfg"])
    early = {"preseed/early_command"} if given["early_commands"] else set()
    of_layout = {"partman-auto/expert_recipe", "partman-basicfilesystems/no_swap", "partman/early_command"}
    recipe = of_layout if given["disk_layout"] else set()
    mirror = {f"mirror/https/{name}" for name in ("hostname", "directory", "proxy")}
    assert read.keys() - early - recipe - mirror == plain.keys() - (
        {*read} & mirror and {f"mirror/http/{name}" for name in ("hostname", "directory", "proxy")}
    )
    assert read["netcfg/hostname"] == given["hostname"]
    assert read["netcfg/get_domain"] == given["domain"]
    assert read["passwd/username"] == given["user"]
    assert read["passwd/user-fullname"] == (given["full_name"] or given["user"])
    assert read["passwd/user-password-crypted"] == (given["password_hash"] or "!")
    assert read["pkgsel/include"].split(" ")[3:] == unique(given["packages"], ("openssh-server", "sudo", "python3"))
    assert reading.encoded_scripts(read["preseed/late_command"]) == [script(given)]
    if early:
        assert reading.encoded_scripts(read["preseed/early_command"]) == [script(given, "early.sh")]


def autoinstall(given, files):
    read = reading.autoinstall(files["user-data"])
    assert read["identity"] == {
        "hostname": given["hostname"],
        "realname": given["full_name"] or given["user"],
        "username": given["user"],
        "password": given["password_hash"] or "!",
    }
    assert read["ssh"]["authorized-keys"] == given["ssh_keys"]
    assert read["packages"] == ["sudo", "python3", *unique(given["packages"], ("sudo", "python3"))]
    in_target, in_installer = read["late-commands"]
    assert in_target == ["curtin", "in-target", "--", "sh", "-c", script(given)]
    assert (in_installer[:2], "; echo polyvirt-installed; }" in in_installer[2]) == (["sh", "-c"], True)
    assert (read["locale"], read["timezone"]) == (given["locale"], given["timezone"])
    if given["early_commands"]:
        assert read["early-commands"] == [["sh", "-c", script(given, "early.sh")]]


def kickstart(given, files):
    read = reading.kickstart(files["ks.cfg"])
    (user,) = read.user.userList
    assert (user.name, user.gecos) == (given["user"], given["full_name"] or given["user"])
    assert (user.password, user.lock) == (given["password_hash"], not given["password_hash"])
    assert read.rootpw.lock
    (network,) = read.network.network
    assert network.hostname == ".".join(filter(None, [given["hostname"], given["domain"]]))
    found = {*read.packages.packageList, *(f"@{group.name}" for group in read.packages.groupList)}
    found |= {f"@^{read.packages.environment}"} if read.packages.environment else set()
    assert found == {"@core", "openssh-server", "sudo", "python3", *given["packages"]}
    assert read.packages.excludedList == []
    scripts = [one.script for one in read.scripts]
    assert len(scripts) == 1 + bool(given["early_commands"])
    assert reading.encoded_scripts(scripts[-1]) == [script(given)]


def alpine(given, files):
    names = ("HOSTNAMEOPTS", "USEROPTS", "USERSSHKEY", "TIMEZONEOPTS", "PROXYOPTS", "KEYMAPOPTS", "DISKOPTS")
    read = reading.shell(files["answers"], names)
    assert read == {
        "HOSTNAMEOPTS": ".".join(filter(None, [given["hostname"], given["domain"]])),
        "USEROPTS": f"-a -u -g wheel {given['user']}",
        "USERSSHKEY": given["ssh_keys"][0],
        "TIMEZONEOPTS": given["timezone"],
        "PROXYOPTS": given["proxy"] or "none",
        "KEYMAPOPTS": f"{given['keyboard']} {given['keyboard']}",
        "DISKOPTS": f"-m sys {given['disk']}",
    }
    scripts = reading.encoded_scripts(files["user-data"])
    assert scripts[-1] == script(given)
    assert scripts[-2] == files["answers"]


def openbsd(given, files):
    read = reading.install_conf(files["install.conf"])
    assert read["System hostname"] == given["hostname"]
    assert read.get("DNS domain name", "") == given["domain"]
    assert read["Setup a user"] == given["user"]
    assert read["Full name for user"] == (given["full_name"] or given["user"])
    assert read["Public ssh key for user"] == given["ssh_keys"][0]
    assert read["What timezone are you in"] == given["timezone"]
    assert script(given) in files["install.site"]


def windows(given, files):
    read = reading.unattend(files["autounattend.xml"])
    assert reading.texts_of(read, "ComputerName") == [given["hostname"]]
    assert reading.texts_of(read, "Username") == [given["user"]]
    assert reading.texts_of(read, "TimeZone") == [derived(given, "timezone")["timezone"]]
    windows_setup = setup.Windows(files["autounattend.xml"], {"E": files})
    windows_setup.first_logins()
    assert windows_setup.ran == given["late_commands"]
    keys = files["polyvirt.ps1"].partition("WriteAllLines($keys, @(")[2].partition("    ))\n")[0]
    assert setup.unquoted(keys) == given["ssh_keys"]
    assert reading.texts_of(read, "Name") == ([] if given["user"] == "Administrator" else [given["user"]])


def unique(packages, present):
    return list(dict.fromkeys(package for package in packages if package not in present))


READERS = {
    "preseed": preseed,
    "autoinstall": autoinstall,
    "kickstart": kickstart,
    "alpine": alpine,
    "openbsd": openbsd,
    "windows": windows,
}


@pytest.mark.parametrize("installer", sorted(FILES))
def test_value_is_rejected_or_read_back(installer, request):
    accepted = []

    @seed(belts.seed())
    @settings(max_examples=DEEP if belts.is_deep(request.config) else FULL, deadline=None, database=None)
    @given(cases(installer))
    def check(values_given):
        if is_accepted(values_given):
            accepted.append(values_given)
            READERS[installer](values_given, rendered(values_given))

    check()
    assert len(accepted) >= FULL // 4, "so few values were accepted that this shows nothing"
