# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answer files are checked by the programs that read them, or by validators of their formats."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.answer_values import problems_of

from collection_path import CHECKOUT, cache
from platforms.vmm.double.response_file import install
from unit.roles.unattended_install import reading
from unit.roles.unattended_install.rendering import FILES, catalogue, rendered, script
from unit.roles.unattended_install.samples import LARGE, SMALL, samples

CASES = [(installer, name, *case) for installer in sorted(FILES) for name, case in samples(installer)]
GOLDEN = json.loads((CHECKOUT / "tests/platforms/vmm/golden/install.json").read_text(encoding="utf-8"))["profiles"]
CLOUD_INIT = cache() / "cloud-init"
_SCHEMA = Path(__file__).with_name("autoinstall_schema.yml")


def cases_of(installer):
    """Parametrize a test with the cases of one installer."""
    found = [case for case in CASES if case[0] == installer]
    return pytest.mark.parametrize(("given", "used"), [case[2:] for case in found], ids=[case[1] for case in found])


def run(*words, **more):
    """Run a program; return (exit code, output)."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, **more)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("installer", "name", "given", "used"), CASES)
def test_samples_are_accepted_by_the_checks(installer, name, given, used):
    assert problems_of(given) == []


# Debian ---------------------------------------------------------------------------------------------------------------


@cases_of("preseed")
def test_preseed_is_read_by_debconf(given, used, tmp_path):
    path = tmp_path / "preseed.cfg"
    path.write_text(rendered(given, **used)["preseed.cfg"])
    assert run("debconf-set-selections", "-c", str(path)) == (0, "")


def test_debconf_rejects_a_broken_line(tmp_path):
    path = tmp_path / "preseed.cfg"
    path.write_text("d-i a/b\n")
    assert run("debconf-set-selections", "-c", str(path))[0] == 1


def test_recipe_has_each_partition():
    text = rendered(dict(samples("preseed"))["many partitions"][0])["preseed.cfg"]
    recipe = reading.preseed(text)["partman-auto/expert_recipe"]
    name, parts = recipe.split(" :: ")
    assert name == "polyvirt"
    parts = [part.split() for part in parts.split(" .")[:-1]]
    assert [part[:4] for part in parts] == [
        ["10738", "10738", "10738", "ext4"],
        ["537", "537", "537", "linux-swap"],
        ["21475", "31475", "-1", "ext4"],
        ["1099512", "1099512", "1099512", "ext4"],
    ]
    assert ["mountpoint{ /home }" in " ".join(part) for part in parts] == [False, False, True, False]


@pytest.mark.parametrize(
    ("mirror", "expected"),
    [
        ("", {}),
        ("none", {"services-select": "updates"}),
        ("http://mirror.example.org", {"security_host": "mirror.example.org", "security_path": "/"}),
        ("http://m.example:81/a/b/", {"security_host": "m.example:81", "security_path": "/a/b"}),
    ],
)
def test_security_updates_come_from_the_mirror_for_them(mirror, expected):
    read = reading.preseed(rendered({**dict(samples("preseed"))["plain"][0], "security_mirror": mirror})["preseed.cfg"])
    names = ("services-select", "security_host", "security_path")
    assert {name: read[f"apt-setup/{name}"] for name in names if f"apt-setup/{name}" in read} == expected


# Ubuntu ---------------------------------------------------------------------------------------------------------------


@cases_of("autoinstall")
def test_user_data_follows_the_documentation_of_autoinstall(given, used):
    document = reading.autoinstall(rendered(given, **used)["user-data"])
    jsonschema.Draft7Validator(yaml.safe_load(_SCHEMA.read_text())).validate(document)


@pytest.mark.parametrize("name", ["plain", "static", "commands"])
def test_user_data_is_valid_for_cloud_init(name, tmp_path):
    given, used = dict(samples("autoinstall"))[name]
    packages = CLOUD_INIT / "usr" / "lib" / "python3" / "dist-packages"
    if not packages.is_dir():
        pytest.skip("cloud-init is not here; `scripts/test.sh unit` unpacks Debian's package")
    path = tmp_path / "user-data"
    path.write_text(rendered(given, **used)["user-data"])
    words = (sys.executable, "-m", "cloudinit.cmd.main", "schema", "-c", str(path))
    code, output = run(*words, env={"PYTHONPATH": ":".join([str(packages), *sys.path])})
    assert (code, output.splitlines()[-1:]) == (0, [f"Valid cloud-config: {path}"]), output


def test_partition_that_grows_is_the_last():
    text = rendered(dict(samples("autoinstall"))["many partitions"][0])["user-data"]
    config = reading.autoinstall(text)["storage"]["config"]
    sizes = [one["size"] for one in config if one["type"] == "partition"]
    assert sizes == [1 << 20, 10 << 30, 512 << 20, 1 << 40, -1]
    mounts = [one["path"] for one in config if one["type"] == "mount"]
    assert mounts == ["/", "", "/var/log", "/home"]


# Fedora and the descendants of RHEL -----------------------------------------------------------------------------------


_KICKSTART = sorted(name for name, one in catalogue().items() if one.get("installer") == "kickstart")


@pytest.mark.parametrize("name", _KICKSTART)
def test_kickstart_is_valid_for_each_version(name, tmp_path):
    paths = []
    for sample, (given, used) in samples("kickstart"):
        paths.append(tmp_path / f"{sample}.cfg")
        paths[-1].write_text(rendered(given, distribution=name, **used)["ks.cfg"])
    code, output = run("ksvalidator", "-v", catalogue()[name]["kickstart"], *map(str, paths))
    assert (code, output.count("Checking")) == (0, len(paths)), output


def test_ksvalidator_rejects_an_unknown_option(tmp_path):
    path = tmp_path / "ks.cfg"
    path.write_text("autopart --type=foo\n")
    assert run("ksvalidator", "-v", "RHEL9", str(path))[0] == 1


@cases_of("kickstart")
def test_kickstart_is_understood(given, used):
    read = reading.kickstart(rendered(given, **used)["ks.cfg"])
    expected = [part["mount"] for part in given["disk_layout"]]
    assert [part.mountpoint for part in read.partition.partitions] == expected


KEYBOARDS = {
    "autoinstall": 'keyboard: {layout: "us", variant: "intl"}',
    "kickstart": "keyboard --xlayouts='us (intl)'",
    "preseed": "d-i keyboard-configuration/xkb-keymap select us(intl)",
}


@pytest.mark.parametrize("installer", sorted(KEYBOARDS))
def test_keyboard_variant(installer):
    given, used = dict(samples(installer))["variant"]
    text = next(iter(rendered(given, **used).values()))
    assert KEYBOARDS[installer] in [line.strip() for line in text.splitlines()]


# Alpine and scripts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["dash", "busybox"])
@pytest.mark.parametrize(("installer", "name", "given", "used"), CASES)
def test_scripts_are_valid_for_all_shells(installer, name, given, used, shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed; `scripts/test.sh unit` installs it")
    words = [shell, "ash"] if shell == "busybox" else [shell]
    files = rendered(given, **used)
    texts = [
        files[one] for one in ("answers", "user-data", "install.site") if files.get(one, "#c").startswith(("#!", "K"))
    ]
    texts += [script(given), script(given, "early.sh")] if installer != "windows" else []
    for text in [*texts, *(one for found in files.values() for one in reading.encoded_scripts(found))]:
        assert run(*words, "-n", "/dev/stdin", input=text) == (0, "")


@pytest.mark.parametrize(("filesystem", "root"), [("", ""), ("xfs", "xfs"), ("btrfs", "btrfs")])
def test_alpine_creates_the_requested_file_system(filesystem, root):
    part = {**SMALL[0], "filesystem": filesystem}
    text = rendered({**dict(samples("alpine"))["layout"][0], "disk_layout": [part, SMALL[1]]})["user-data"]
    exports = "\n".join(line for line in text.splitlines() if line.startswith(("disk=", "export ")))
    assert reading.shell(exports, ["ROOTFS", "SWAP_SIZE"]) == {"ROOTFS": root, "SWAP_SIZE": "1024"}


def test_alpine_gets_no_key_with_options_as_an_answer():
    given, used = dict(samples("alpine"))["key with options"]
    assert reading.shell(rendered(given, **used)["answers"], ["USERSSHKEY"]) == {"USERSSHKEY": ""}
    assert given["ssh_keys"][0] in script(given)


# OpenBSD --------------------------------------------------------------------------------------------------------------


def questions(given, used):
    """The questions of OpenBSD's installer for these values: those recorded, and those that depend on answers."""
    profile = "http-admin" if given["mirror"] or used.get("site_from_cd") else "cd"
    asked = [tuple(one) for one in GOLDEN[profile]]
    if used.get("site_from_cd"):
        asked += [tuple(one) for one in GOLDEN["cd"][-5:]]
    if given["site_set"]:
        verification = next(one for one in GOLDEN["site"] if "site78.tgz" in one[0])
        asked.insert(len(asked) - 1, tuple(verification))
    if given["network"]["method"] == "static":
        asked = _after(asked, "IPv4 address for", ("Netmask for vio0?", "255.255.255.0"))
        asked = _after(
            asked, "Network interface to configure?", ("Default IPv4 route? (IPv4 address or 'none')", ""), last=True
        )
    if not used.get("serial", True):
        asked[0] = ("Choose your keyboard layout ('?' or 'L' for list)", "default")
        asked = [one for one in asked if not one[0].startswith("Which speed")]
        asked = _after(asked, "Start sshd(8)", ("Do you expect to run the X Window System?", "yes"))
    return asked


def _after(asked, start, question, last=False):
    places = [place for place, (text, _default) in enumerate(asked) if text.startswith(start)]
    place = places[-1 if last else 0] + 1
    return [*asked[:place], question, *asked[place:]]


@cases_of("openbsd")
def test_each_line_answers_a_question_of_openbsd(given, used):
    files = rendered(given, **used)
    done = install(files["install.conf"], questions(given, used))
    assert (done.error, done.left_over) == ("", [])
    asked = dict(zip([text for text, _default in questions(given, used)], done.answers))
    assert asked["Password for root account?"] == "*" * 13
    assert asked["Password for user admin?"] == (given["password_hash"] or "*" * 13)
    assert asked["System hostname? (short form, e.g. 'foo')"] == given["hostname"]


def test_partitions_are_those_of_disklabel():
    given, used = dict(samples("openbsd"))["many partitions"]
    assert rendered(given, **used)["disklabel"] == "/ 10G\nswap 512M\n/home 20G-*\n/var/log 1T\n"
    assert len(LARGE) == 4


# Windows --------------------------------------------------------------------------------------------------------------

#: The order of the passes, and the components in each, that Windows Setup documents.
PASSES = {
    "windowsPE": ["Microsoft-Windows-International-Core-WinPE", "Microsoft-Windows-Setup"],
    "specialize": ["Microsoft-Windows-Shell-Setup"],
    "oobeSystem": ["Microsoft-Windows-International-Core", "Microsoft-Windows-Shell-Setup"],
}


@cases_of("windows")
def test_unattend_has_the_structure_of_windows_setup(given, used):
    root = reading.unattend(rendered(given, **used)["autounattend.xml"])
    found = {one.get("pass"): [part.get("name") for part in one] for one in root}
    drivers = ["Microsoft-Windows-PnpCustomizationsWinPE"] if given["windows_drivers"] else []
    assert found == {**PASSES, "windowsPE": [PASSES["windowsPE"][0], *drivers, PASSES["windowsPE"][1]]}
    assert reading.texts_of(root, "Path") == given["windows_drivers"]
    target = reading.texts_of(root, "InstallTo")
    partition = root.find(f".//{reading.UNATTEND}InstallTo/{reading.UNATTEND}PartitionID").text
    created = [one.text for one in root.iterfind(f".//{reading.UNATTEND}CreatePartition/{reading.UNATTEND}Order")]
    assert target and partition == created[-1]
    assert given["password"] not in rendered(given, **used)["autounattend.xml"]
