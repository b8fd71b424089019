# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks on WSL in all flavours and languages, and features that only this platform has."""

from __future__ import annotations

import pytest

from platforms.wsl import reading
from platforms.wsl.double.distro import FILES, PASSWD, disk_with, packed
from platforms.wsl.double.host import INBOX, is_write
from platforms.wsl.tasks import CULTURES, FLAVOURS, NEW, TAR, host_with_image, run, run_ok, run_rejected, state_of

# Flavours and languages -----------------------------------------------------------------------------------------------


def _life(host):
    """Run tasks from the creation to the deletion: ([(changed, verbs)] of the tasks, the state before the deletion)."""
    tasks = [
        {**NEW, "version": 2, "description": "first"},
        {"name": ["WEB"], "description": "first", "tags": ["b", "a"], "default_user": "anna"},
        {"name": ["web"], "state": "started"},
        {"name": ["web"], "systemd": True, "native": {"network.hostname": "ü # x"}},
        {"name": ["web"], "systemd": True, "allow_restart": True},
        {"name": ["copy"], "clone": {"source": "web"}, "default": True},
        {"name": ["web"], "state": "restarted"},
        {"name": ["web"], "keep_running": "at_logon"},
        {"name": ["web"], "export": "C:\\images\\web.tar", "allow_restart": True},
        {"name": ["web"], "version": 1, "systemd": False, "allow_restart": True},
        {"name": ["web", "copy"], "state": "stopped"},
    ]
    reported = []
    for task in tasks:
        foreseen = run(host, check=True, **task)
        result = run_ok(host, **task)
        assert (foreseen["failed"], foreseen["diff"]) == (False, result["diff"]), task
        assert task.get("state") == "restarted" or not run(host, **task)["changed"], task
        reported.append((result["changed"], [step["verb"] for vm in result["vms"] for step in vm["steps"]]))
    stood = [(one.name, one.users()["anna"], one.files["/etc/wsl.conf"]) for one in host.in_order()]
    run_ok(host, name=["web", "copy"], state="absent")
    assert (host.distros, host.tasks, host.files.below("C:\\WSL")) == ({}, {}, [])
    return reported, stood


@pytest.fixture(name="usual", scope="module")
def _usual():
    return _life(host_with_image())


@pytest.mark.parametrize("culture", CULTURES)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_life_is_the_same_in_all_flavours_and_languages(usual, flavour, culture):
    assert _life(host_with_image(flavour, culture)) == usual


@pytest.mark.parametrize(
    "knobs", [{"ignores_utf8": True}, {"warns": True}, {"denies_disk_images": True}, {"long_paths": True}], ids=str
)
def test_life_is_the_same_on_hosts_that_differ(usual, knobs):
    assert _life(host_with_image(**knobs)) == usual


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("count", [1, 20])
def test_task_with_nothing_to_do_needs_one_request(flavour, count):
    host, names = host_with_image(flavour), [f"web{number}" for number in range(count)]
    for name in names:
        host.add(name, running=True)
    options = {"name": names, "description": "", "version": 2, "state": "started", "keep_running": "false"}
    if flavour == "2.6.3":
        options |= {"systemd": False, "default_user": "root", "disks": [{"size": "1T"}], "sparse": False}
    result = run_ok(host, **options)
    assert (result["changed"], len(host.windows.requests)) == (False, 1)


@pytest.mark.parametrize(
    ("flavour", "options", "words"),
    [
        ("inbox", {"name": ["new"], "image": {"source": "Debian"}}, ("2.4.4", "tarball")),
        ("2.3.26", {"name": ["new"], "image": {"source": "C:\\images\\x.wsl"}}, ("2.4.4", "tarball")),
        ("2.3.26", {"name": ["web"], "install_location": "D:\\x"}, ("install_location", "2.4.4")),
        ("2.3.26", {"name": ["web"], "disks": [{"size": "2T"}]}, ("disks", "2.4.4")),
        ("2.4.4", {"name": ["web"], "export": "C:\\images\\x.tar.gz"}, ("export", "2.5.10")),
        ("inbox", {"name": ["web"], "sparse": True}, ("sparse", "2.0")),
    ],
)
def test_old_versions_say_what_they_need(flavour, options, words):
    host = host_with_image(flavour)
    host.add("web")
    run_rejected(host, *words, **options)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("default", [1, 2, None])
@pytest.mark.parametrize("file", ["base.tar", "modern.wsl"])
def test_a_new_distribution_has_the_default_version_on_every_release(flavour, default, file):
    if (flavour, file) == ("inbox", "modern.wsl"):
        return
    host = host_with_image(flavour)
    host.default_version = default
    host.files.put("C:\\images\\modern.wsl", packed(FILES, "w:gz"))
    run_ok(host, name=["web"], image=f"C:\\images\\{file}")
    expected = default or (1 if flavour == "inbox" else 2)
    assert host.find("web").version == expected
    sent = next(words for name, *words in host.log if name == "wsl" and words[0] in ("--import", "--install"))
    assert sent[sent.index("--version") + 1] == str(expected)
    assert run(host, "distro_info")["host"]["default_version"] == expected


@pytest.mark.parametrize(("build", "version"), [(19041, 1), (19045, 1), (20348, 2), (22631, 2)])
def test_wsl_of_windows_creates_version_1_up_to_windows_10(build, version):
    host = host_with_image("inbox")
    host.windows.about["build"] = build
    run_ok(host, **NEW)
    assert (host.find("web").version, run(host, "distro_info")["host"]["default_version"]) == (version, version)


def test_options_of_version_2_are_rejected_on_windows_10_without_a_default_version():
    host = host_with_image("inbox")
    run_rejected(host, "web", "systemd", "version: 2", **NEW, systemd=True)
    run_ok(host, **NEW, systemd=True, version=2)


def test_wsl_of_windows_10_2004_lacks_what_came_with_updates():
    host = host_with_image("inbox")
    for words in ("--version", "--list --online", "--update", "--install --no-launch Debian"):
        assert host.windows.run(INBOX, words, b"", {}, 60).exit_code != 0
    for words in ("--import web C:\\WSL\\web C:\\images\\base.tar --version 2", "--list --running --quiet"):
        assert host.windows.run(INBOX, words, b"", {}, 60).exit_code == 0, words


# Creation -------------------------------------------------------------------------------------------------------------


def test_sources():
    host = host_with_image()
    host.files.put("C:\\images\\disk.vhdx", disk_with(FILES))
    host.files.put("C:\\images\\modern.wsl", packed(FILES, "w:gz"))
    for name, source in {"a": "C:\\images\\disk.vhdx", "b": "C:/images/modern.wsl", "c": "debian"}.items():
        if name == "c":
            host.online = {"debian": dict(FILES)}
        run_ok(host, name=[name], image=source, default_user="anna")
        assert host.find(name).base == f"C:\\WSL\\{name}"
        assert reading.vm_state(host, host.find(name))["power"] == "stopped"
    # The first start does not ask for a user name.
    assert host.find("b").values["RunOOBE"] == host.find("c").values["RunOOBE"] == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"no tar", ("IMPORT_FAILED", "tarball")), (packed({"/x": b""}), ("NOT_A_LINUX_DISTRO", "/etc"))],
    ids=["no tarball", "no /etc"],
)
@pytest.mark.parametrize("on_failure", ["rollback", "keep"])
def test_failed_import_leaves_what_was_there(content, words, on_failure):
    host = host_with_image()
    host.add("other", running=True)
    host.files.put("C:\\images\\bad.tar", content)
    new = {"name": ["web"], "image": {"source": "C:\\images\\bad.tar"}, "install_location": "D:\\x\\y\\web"}
    run_rejected(host, *words, **new, on_failure=on_failure)


@pytest.mark.parametrize(("on_failure", "left"), [("rollback", []), ("keep", ["web"])])
def test_distribution_that_does_not_start_is_kept_only_on_request(on_failure, left):
    host = host_with_image()
    host.after("--import", lambda: setattr(host.knobs, "create_vm_fails", True))
    result = run(host, **NEW, state="started", on_failure=on_failure)
    assert result["failed"]
    assert "0x8007023f" in result["msg"]
    assert [one.name for one in host.distros.values()] == left


def test_full_drive_is_known_before_anything_is_done():
    host = host_with_image()
    host.add("big")
    host.files.vhd(host.find("big").disk).used = 1 << 38
    host.files.capacity["C"] = (1 << 38) + (1 << 30)
    writes = len(host.writes())
    run_rejected(host, "free space", "install_location", name=["web"], clone="big")
    assert len(host.writes()) == writes


def test_virtual_disk_of_others_is_not_overwritten():
    host = host_with_image()
    host.files.put("D:\\x\\ext4.vhdx", b"precious")
    run_rejected(host, "never overwritten", **NEW, install_location="D:\\x")


_DISK, _OLD_DISK = "C:\\images\\disk.vhdx", "C:\\images\\disk.vhd"


@pytest.mark.parametrize("default", [None, 1])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image": {"source": _DISK}}, ("image.source", "version: 2")),
        ({"disks": [{"size": "2T"}]}, ("disks.disk0.size", "version: 2")),
        ({"sparse": True, "allow_unsafe_sparse": True}, ("sparse", "version: 2")),
        ({"systemd": True}, ("systemd", "version: 2")),
        ({"export": "C:\\images\\x.vhdx"}, ("export", "version: 2")),
    ],
)
def test_options_of_version_2_are_known_before_anything_is_done(default, options, words):
    host = host_with_image()
    host.files.put(_DISK, disk_with(FILES))
    host.default_version = default
    host.add("other")
    new = {**NEW, **options} if default else {**NEW, **options, "version": 1}
    run_rejected(host, "web", *words, **new)
    assert run(host, check=True, **new)["failed"]
    assert host.writes() == []


def test_clone_has_the_version_of_its_source():
    host = host_with_image()
    host.default_version = 1
    host.add("src")
    run_ok(host, name=["copy"], clone="src", disks=[{"size": "2T"}], systemd=True)
    assert host.find("copy").version == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({**NEW, "image": {"source": _OLD_DISK}}, ("web", "image.source", "Convert-VHD")),
        ({**NEW, "install_location": "Z:\\a\\web"}, ("web", "install_location", "Z:")),
        ({"name": ["old"], "install_location": "Z:\\a\\old"}, ("old", "install_location", "Z:")),
    ],
    ids=["old disk", "drive of a new one", "drive of an existing one"],
)
def test_what_the_host_lacks_is_known_before_anything_is_done(options, words):
    host = host_with_image()
    host.files.put(_OLD_DISK, disk_with(FILES))
    host.add("old")
    run_rejected(host, *words, **options)
    assert host.writes() == []


def test_clone_of_a_running_distribution():
    host = host_with_image()
    host.add("src", running=True, uid=1)
    result = run_ok(host, name=["copy"], clone="src")
    assert "started again" in result["vms"][0]["steps"][0]["also"][0]
    assert (host.find("src").running, host.find("copy").running, host.find("copy").uid) == (True, False, 1)
    assert not [path for path in host.files.contents if path.endswith(".tar") and path != TAR.lower()]


def test_clone_of_a_kept_distribution_keeps_its_task():
    host = host_with_image()
    run_ok(host, **NEW, keep_running="true", state="started")
    run_ok(host, name=["copy"], clone="web")
    host.tick(5)
    (task,) = host.tasks.values()
    assert (task.is_running, task.is_enabled, task.words[1]) == (True, True, "web")
    assert run_ok(host, "distro_info", name=["copy"])["vms"][0]["settings"]["keep_running"] == "false"


def test_kept_distribution_that_is_stopped_stays_so():
    host = host_with_image()
    run_ok(host, **NEW, keep_running="true", state="started")
    run_ok(host, name=["web"], state="stopped")
    host.tick(300)
    (task,) = host.tasks.values()
    assert (host.find("web").running, task.is_running, task.is_enabled) == (False, False, False)


# Identity -------------------------------------------------------------------------------------------------------------


def test_another_distribution_of_the_same_name_is_not_deleted():
    host = host_with_image()
    old = run_ok(host, **NEW)["vms"][0]["id"]
    run_ok(host, name=["web"], state="absent")
    run_ok(host, **NEW)
    run_rejected(host, old, "another ID", name=["web"], id=old, state="absent")


@pytest.mark.parametrize(
    "task", [{"state": "absent", "delete_disks": "all"}, {"description": "ours"}, {"default_user": "anna"}], ids=str
)
def test_distribution_that_is_replaced_meanwhile_is_left_alone(task):
    host = host_with_image()
    host.add("web")

    def replace():
        host.distros.clear()
        host.add("web", files={**FILES, "/root/data": b"precious"})

    host.after("--version", replace)
    run(host, name=["web"], **task)
    found = host.find("web")
    assert found.files["/root/data"] == b"precious"
    assert "anna" not in found.users()
    assert not (run_ok(host, "distro_info", name=["web"])["vms"][0]["description"])


def test_names_that_begin_alike_are_not_mixed_up():
    host = host_with_image()
    for name in ("Ubuntu", "Ubuntu-22.04"):
        host.add(name, running=True)
    run_ok(host, name=["ubuntu"], state="stopped")
    assert [one.running for one in host.in_order() if one.name == "Ubuntu-22.04"] == [True]
    run_ok(host, name=["Ubuntu"], state="absent", delete_disks="all")
    assert [one.name for one in host.distros.values()] == ["Ubuntu-22.04"]
    assert not run_ok(host, name=["Ubuntu"], state="absent")["changed"]


# The host -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_host_without_distributions(flavour):
    result = run_ok(host_with_image(flavour), "distro_info")
    assert (result["vms"], result["host"]["available"]) == ([], True)


def test_facts_about_the_host():
    host = host_with_image(culture="fr-FR")
    host.features["VirtualMachinePlatform"] = "EnablePending"
    found = run_ok(host, "distro_info")["host"]
    assert {key: found[key] for key in ("version", "kernel", "wslg", "windows")} == {
        "version": "2.6.3.0", "kernel": "6.6.87.2-1", "wslg": "1.0.71", "windows": "10.0.26100",
    }  # fmt: skip
    assert (found["features_missing"], found["reboot_required"], found["idle_timeout"]) == ([], True, 15)


def test_info_starts_nothing():
    host = host_with_image()
    host.add("web", files={**FILES, "/etc/wsl.conf": b"[boot]\nsystemd=true\n"})
    host.add("on", files={**FILES, "/etc/wsl.conf": b"[boot]\nsystemd=true\n"}, running=True)
    settings = {vm["name"]: vm["settings"] for vm in run_ok(host, "distro_info")["vms"]}
    assert ("systemd" in settings["web"], settings["on"]["systemd"]) == (False, True)
    assert [words for words in host.log if is_write(words) or "web" in words] == []


@pytest.mark.parametrize("files", [{"/etc/passwd": PASSWD}, {**FILES, "/etc/passwd": b""}], ids=["no shell", "no root"])
def test_distribution_whose_files_cannot_be_read_is_reported_without_them(files):
    host = host_with_image()
    host.add("docker-desktop-data", running=True, files=files)
    host.add("web", running=True)
    found = run_ok(host, "distro_info")
    settings = {vm["name"]: vm["settings"] for vm in found["vms"]}
    assert (set(settings), settings["web"]["systemd"]) == ({"docker-desktop-data", "web"}, False)
    assert "systemd" not in settings["docker-desktop-data"]
    (warning,) = found["warnings"]
    assert warning.startswith("docker-desktop-data: ")
    assert "default_user and systemd" in warning
    run_rejected(host, "docker-desktop-data", name=["docker-desktop-data"], systemd=True)


@pytest.mark.parametrize("file", ["/etc/passwd", "/etc/wsl.conf"])
def test_file_that_is_larger_than_an_answer_may_be_is_never_returned(file):
    """Windows PowerShell 5.1 cannot return a text of more than 2 MB."""
    host = host_with_image()
    host.add("web", files={**FILES, file: FILES.get(file, b"") + b"#" * 400_001}, running=True)
    run_rejected(host, f"{file} has more than 400000 bytes", name=["web"], systemd=True)
    assert file in run_ok(host, "distro_info")["warnings"][0]
    assert max(size for _request, size in host.windows.sizes) < 2_000_000


@pytest.mark.parametrize("text", [b"# polyvirt~end\n[boot]\n", b"polyvirt~end\npolyvirt~end\n"])
def test_text_of_wsl_conf_is_never_mixed_up_with_other_files(text):
    host = host_with_image()
    host.add("web", files={**FILES, "/etc/wsl.conf": text}, running=True)
    run_ok(host, name=["web"], systemd=True)
    assert host.find("web").files["/etc/wsl.conf"].startswith(text.rstrip(b"\n"))
    assert not run_ok(host, name=["web"], systemd=True)["changed"]


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda host: host.windows.about.update(local_system=True), ("local system", "owns")),
        (lambda host: setattr(host.knobs, "refuses_session", True), ("MSI", "runas")),
        (lambda host: setattr(host.knobs, "create_vm_fails", True), ("0x8007023f", "Log on")),
        (lambda host: host.features.update(VirtualMachinePlatform="Disabled"), ("HCS_E_SERVICE", "wsl_host")),
    ],
)
def test_host_that_cannot_be_used_is_explained(prepare, words):
    host = host_with_image()
    host.add("old")
    prepare(host)
    before = state_of(host)
    result = run(host, name=["old"], state="started")
    result = result if result["failed"] else run(host, **NEW)
    assert result["failed"]
    assert [word for word in words if word not in result["msg"]] == [], result["msg"]
    assert "Unexpected" not in result["msg"]
    assert sorted(before[0]) == sorted(state_of(host)[0])
