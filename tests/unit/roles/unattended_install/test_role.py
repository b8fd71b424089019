# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role in ansible-playbook: it writes the files that the other tests check, and rejects invalid options."""

from __future__ import annotations

import json
import stat
import subprocess

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.filter.password_hash_for import password_hash_for

from collection_path import CHECKOUT
from suite import belts
from unit.roles.unattended_install.rendering import DISTRIBUTIONS, FILES, HASH, KEY, STATIC, layout, rendered, values

pytestmark = pytest.mark.full

PASSWORD = "a$b'c secret"
INSTALLERS = sorted(FILES)
#: Options of the role; MEANT has the values that they mean, where these differ.
OPTIONS = {
    "hostname": "web1",
    "domain": "example.org",
    "password": PASSWORD,
    "ssh_keys": [KEY],
    "timezone": "Europe/Berlin",
    "packages": ["rsync"],
    "late_commands": ["echo \"%end\" 'a' $HOME\ntrue"],
    "disk_layout": [{"mount": "/", "size": "4G", "grow": True}],
    "network": {name: value for name, value in STATIC.items() if value},
}
MEANT = {"windows_image": "2", "disk_layout": layout(("/", "4G", True)), "network": STATIC}
#: With -e, and in an INI inventory, booleans are text.
TEXTS = {"root_login": "false", "passwordless_sudo": "true"}
OPENBSD = {"site_set": True, "mirror": "https://mirror.example.org/pub/OpenBSD"}
WINDOWS = {"hostname": "web1", "password": PASSWORD, "windows_image": 2, "windows_drivers": [r"E:\viostor\2k22\amd64"]}
DEBIAN = {"security_mirror": "http://mirror.example.org/debian-security", "keyboard": "us(intl)"}
BTRFS = [{"mount": "/", "size": "4G", "filesystem": "btrfs"}]

#: installer, options, error
ERRORS = [
    ("preseed", {"hostnam": "x"}, "unattended_install_hostnam is not an option of role"),
    (
        "preseed",
        {"distribution": "arch"},
        "unattended_install_distribution: the catalogue has no installer of Arch Linux",
    ),
    ("preseed", {"hostname": "web_1"}, "unattended_install_hostname: 'web_1' is invalid. Allowed: letters, digits"),
    ("preseed", {"user": "admin"}, "unattended_install_user: 'admin' is a user or group of the system."),
    ("preseed", {"ssh_keys": []}, "unattended_install_ssh_keys: nobody could log in."),
    ("openbsd", {"password_hash": HASH}, "unattended_install_password_hash: is not a bcrypt hash"),
    ("preseed", {"keyboard": False}, "unattended_install_keyboard: is false in YAML"),
    ("preseed", {"late_commands": "reboot"}, "unattended_install_late_commands: is not a list."),
    ("kickstart", {"disk_layout": BTRFS}, "unattended_install_disk_layout: the installer of this distribution has no"),
    ("windows", {"ssh_keys": []}, "unattended_install_password: is required for Windows"),
    (
        "openbsd",
        {"architecture": "arm64"},
        "unattended_install_architecture: the installer of OpenBSD is supported for amd64 only. Set amd64.",
    ),
    ("preseed", {"architecture": "arm64", "firmware": "bios"}, "unattended_install_firmware: arm64 has no BIOS."),
]


def options_of(installer):
    return {"windows": WINDOWS, "openbsd": {**OPTIONS, **OPENBSD}, "preseed": {**OPTIONS, **DEBIAN}}.get(
        installer, OPTIONS
    )


def expected(installer):
    """The files that the role must write."""
    options = options_of(installer)
    meant = {**options, **{name: value for name, value in MEANT.items() if name in options}}
    if installer != "windows":
        meant["password_hash"] = password_hash_for(PASSWORD, installer, seed="web1 example.org ansible")
    # The account has the same name on all systems, and in all languages of Windows.
    return rendered(values(installer, **{"user": "ansible", **meant}))


@pytest.fixture(name="play")
def _play(tmp_path, ansible_playbook):
    """Run the role for each (name of a directory, installer, options); return (exit code, output, results)."""

    def play(runs, *words, tasks_from="main"):
        tasks = [task for run in runs for task in _tasks(tmp_path, tasks_from, *run)]
        shown = {"content": "{{ results | to_json }}", "dest": str(tmp_path / "results")}
        tasks.append({"ansible.builtin.copy": shown, "check_mode": False, "changed_when": False, "diff": False})
        path = tmp_path / "play.yml"
        path.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        code, output = ansible_playbook(path, *words)
        return code, output, json.loads((tmp_path / "results").read_text()) if code == 0 else {}

    return play


def _tasks(folder, tasks_from, name, installer, options):
    given = {"distribution": DISTRIBUTIONS[installer], "directory": str(folder / name), **options}
    variables = {f"unattended_install_{key}": value for key, value in given.items()}
    role = {"ansible.builtin.include_role": {"name": "polyvirt.core.unattended_install", "tasks_from": tasks_from}}
    found = "[ansible_failed_result.msg | default(''), unattended_install_result | default({})]"
    record_result = {
        "ansible.builtin.set_fact": {"results": f"{{{{ results | default({{}}) | combine({{'{name}': {found}}}) }}}}"}
    }
    # The error of one run is recorded, and the next run begins without it.
    yield {"block": [role], "rescue": [record_result], "vars": variables}
    yield {**record_result, "when": f"'{name}' not in results | default({{}})"}


def test_role_writes_the_files_that_the_other_tests_check(play, tmp_path, request):
    """Check mode predicts the run and writes nothing, a second run changes nothing, and no secret is shown."""
    runs = [(installer, installer, {**options_of(installer), **TEXTS}) for installer in INSTALLERS]
    some = belts.share(request.config, runs, 2)
    code, output, _results = play(some, "--check", "--diff")
    assert code == 0, output
    assert f"changed={2 * len(some)}" in output
    assert [name for name in INSTALLERS if (tmp_path / name).exists()] == []
    code, output, results = play(runs, "--diff", "-vvv")
    assert code == 0, output
    assert f"changed={2 * len(runs)}" in output
    for installer in INSTALLERS:
        found = {path.name: path.read_text() for path in (tmp_path / installer).iterdir()}
        assert found == expected(installer), results[installer]
        assert _mode(tmp_path / installer) == 0o700
        assert {_mode(path) for path in (tmp_path / installer).iterdir()} == {0o600}
    assert PASSWORD not in output
    assert "$6$" not in output
    assert "$2b$" not in output
    code, output, _results = play(some)
    assert (code, "changed=0" in output) == (0, True), output
    assert results["preseed"][1] == {
        "distribution": "debian-13",
        "installer": "preseed",
        "directory": str(tmp_path / "preseed"),
        "files": ["preseed.cfg"],
        "marker": "/etc/polyvirt-installed",
        "kernel_arguments": "auto=true priority=critical DEBIAN_FRONTEND=text console=ttyS0,115200n8",
    }
    assert results["windows"][1]["marker"] == r"C:\ProgramData\polyvirt-installed"


@pytest.mark.parametrize("installer", ["alpine", "autoinstall", "kickstart", "preseed"])
def test_files_for_arm64(play, tmp_path, installer):
    """The firmware, the console and the addresses follow from the architecture."""
    options = {"hostname": "web1", "ssh_keys": [KEY], "password_hash": HASH}
    runs = [("arm64", installer, {**options, "vm_options": {"architecture": "arm64"}})]
    code, output, results = play(runs)
    assert code == 0, output
    found = {path.name: path.read_text() for path in (tmp_path / "arm64").iterdir()}
    assert found == rendered(values(installer), uefi=True, architecture="arm64")
    assert "console=ttyAMA0,115200" in results["arm64"][1]["kernel_arguments"]
    assert [word for word in ("x86_64", "amd64", "console=ttyS0") if word in "".join(found.values())] == []


#: options of an installation for arm64, and the error or none
UNSUPPORTED = [
    ({}, ""),
    ({"platform": "virtualbox"}, "VMs of arm64 can be installed on libvirt only, not on virtualbox."),
    (
        {"vm_options": {"architecture": "amd64"}},
        "unattended_install_architecture is arm64, but unattended_install_vm_options.architecture is amd64.",
    ),
]


def test_installation_for_arm64_is_on_libvirt(play):
    given = {"hostname": "web1", "ssh_keys": [KEY], "platform": "libvirt", "architecture": "arm64"}
    runs = [(str(number), "preseed", {**given, **options}) for number, (options, _error) in enumerate(UNSUPPORTED)]
    code, output, results = play(runs, tasks_from="validate_install")
    assert code == 0, output
    found = [results[str(number)][0] for number in range(len(UNSUPPORTED))]
    assert [(error in text, bool(text)) for text, (_o, error) in zip(found, UNSUPPORTED)] == [
        (True, bool(error)) for _o, error in UNSUPPORTED
    ], found


#: options of an installation, and the error or none
LAYOUTS = [
    ({}, ""),
    ({"disk_layout": [{"mount": "/", "size": "20450M"}]}, ""),
    (
        {"disk_layout": [{"mount": "/", "size": "20G"}]},
        "unattended_install_disk_layout needs 20.00 GB and 16.00 MB for",
    ),
    (
        {"disk_layout": [{"mount": "/", "size": "20450M"}], "firmware": "uefi"},
        "and 640.00 MB for what is needed to boot",
    ),
]


def test_layout_leaves_space_to_boot(play):
    disk = {"vm_options": {"disks": [{"size": "20G"}]}, "hostname": "web1", "ssh_keys": [KEY], "platform": "libvirt"}
    runs = [(str(number), "preseed", {**disk, **options}) for number, (options, _error) in enumerate(LAYOUTS)]
    code, output, results = play(runs, tasks_from="validate_install")
    assert code == 0, output
    found = [results[str(number)][0] for number in range(len(LAYOUTS))]
    assert [(error in text, bool(text)) for text, (_o, error) in zip(found, LAYOUTS)] == [
        (True, bool(error)) for _o, error in LAYOUTS
    ], found


def test_drivers_of_a_medium_can_be_deleted(play, tmp_path):
    """A medium has files that nobody may write, and its directories neither."""
    names = ("vioscsi", "viostor", "NetKVM", "vioserial", "Balloon")
    for name in names:
        folder = tmp_path / "medium" / name / "2k25" / "amd64"
        folder.mkdir(parents=True)
        (folder / "driver.inf").write_text(name)
        (folder / "driver.inf").chmod(0o444)
        folder.chmod(0o555)
    medium = tmp_path / "virtio.iso"
    subprocess.run(
        ["xorriso", "-as", "mkisofs", "-R", "-J", "-o", medium, tmp_path / "medium"], check=True, capture_output=True
    )
    before = medium.read_bytes()
    options = {
        "distribution": "windows-server-2025",
        "windows_virtio": str(medium),
        "media_directory": str(tmp_path / "own"),
        "vm_name": "web1",
    }
    # Twice: a run that was killed after it continues with the files of the first one.
    for _run in range(2):
        code, output, results = play([("x", "windows", options)], tasks_from="windows/drivers")
        assert (code, results["x"][0], medium.read_bytes() == before) == (0, "", True), output
    found = sorted((tmp_path / "own" / "web1.answers").rglob("*"))
    assert [path.name for path in found if path.is_file()] == ["driver.inf"] * len(names)
    assert [path for path in found if _mode(path) & 0o200 == 0] == []


def test_record_keeps_its_order_without_the_drivers(play, tmp_path):
    """Its first line is the console log, and the others are answer files. Check mode foresees the deletion."""
    own, record = tmp_path / "own" / "web1.answers", tmp_path / "own" / "web1.written"
    own.mkdir(parents=True)
    lines = ["/var/log/web1-console.log", *(f"/answers/{number}" for number in range(9))]
    record.write_text("\n".join([*lines, str(own)]) + "\n")
    options = {"distribution": "windows-11", "media_directory": str(tmp_path / "own"), "vm_name": "web1"}
    runs = [("x", "windows", options)]
    code, output, _results = play(runs, "--check", tasks_from="windows/forget_drivers")
    assert (code, "changed=2" in output, own.exists()) == (0, True, True), output
    code, output, _results = play(runs, tasks_from="windows/forget_drivers")
    assert (code, "changed=2" in output, own.exists(), record.read_text().splitlines()) == (0, True, False, lines)


def test_iso_is_ejected_before_the_drivers_are_deleted():
    """The answer medium is deleted with it, whether the drivers can be deleted or not."""
    path = CHECKOUT / "roles" / "unattended_install" / "tasks" / "windows" / "eject.yml"
    first, second = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert (first["polyvirt.core.vm"]["iso"], second["ansible.builtin.include_tasks"]) == (
        "",
        "windows/forget_drivers.yml",
    )


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("tasks_from", ["main", pytest.param("validate", marks=pytest.mark.deep("the same by main"))])
def test_options_are_rejected_before_anything_is_written(play, tmp_path, tasks_from):
    runs = [
        (str(number), installer, {"hostname": "web1", "ssh_keys": [KEY], **options})
        for number, (installer, options, _message) in enumerate(ERRORS)
    ]
    code, output, results = play(runs, tasks_from=tasks_from)
    assert code == 0, output
    for number, (_installer, _options, message) in enumerate(ERRORS):
        error, _result = results[str(number)]
        assert message in error
        assert error.endswith("Nothing was changed.")
        assert not (tmp_path / str(number)).exists()
