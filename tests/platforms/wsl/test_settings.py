# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings and power of WSL: settings stored in a distribution, its disk, and the option keep_running."""

from __future__ import annotations

import pytest

from platforms.wsl import reading
from platforms.wsl.double.distro import FILES
from platforms.wsl.tasks import NEW, host_with_image, run, run_ok, run_rejected

# Settings -------------------------------------------------------------------------------------------------------------


def test_stopped_distribution_is_stopped_again_after_it_was_read():
    host = host_with_image()
    host.add("web", files={**FILES, "/etc/wsl.conf": b"[boot]\nsystemd = true # mine\n"})
    result = run(host, check=True, name=["web"], systemd=True, native={"boot.command": None})
    assert (result["changed"], host.find("web").running, host.writes()) == (False, False, [])
    assert not run_ok(host, name=["web"], state="stopped", systemd=True)["changed"]


def test_what_is_stored_in_a_distribution_keeps_its_form():
    host = host_with_image()
    text = b'# mine\r\n[ boot ]\r\n[Boot]\r\ncommand = "a # b" # run\r\nSYSTEMD=0\r\n[x]\r\nnot a line\r\n'
    host.add("web", files={**FILES, "/etc/wsl.conf": text}, running=True)
    run_ok(host, name=["web"], systemd=True)
    assert host.find("web").files["/etc/wsl.conf"] == text.replace(b"SYSTEMD=0", b"SYSTEMD=true")
    run_ok(host, name=["web"], native={"boot.command": None})
    assert b"# run" in host.find("web").files["/etc/wsl.conf"]
    assert not run_ok(host, name=["web"], systemd=True, native={"boot.command": None})["changed"]


@pytest.mark.parametrize("exists", [True, False])
def test_wsl_conf_that_is_a_symbolic_link_remains_one(exists):
    host = host_with_image()
    files = {**FILES, "/home/my dots/wsl.conf": b"# mine\n"} if exists else {**FILES, "/home/my dots/x": b""}
    host.add("web", files=files, links={"/etc/wsl.conf": "../home/my dots/wsl.conf"})
    run_ok(host, name=["web"], systemd=True)
    found = host.find("web")
    text = b"# mine\n" if exists else b""
    assert found.files["/home/my dots/wsl.conf"] == text + b"[boot]\nsystemd=true\n"
    assert found.links == {"/etc/wsl.conf": "../home/my dots/wsl.conf"}
    assert not [path for path in found.files if "polyvirt" in path and not path.startswith("/run/")]
    assert not run_ok(host, name=["web"], systemd=True)["changed"]


def test_what_waits_for_a_start_is_reported():
    host = host_with_image()
    host.add("web", running=True)
    result = run_ok(host, name=["web"], systemd=True)
    assert result["vms"][0]["restart_required"] == ["systemd"]
    assert run_ok(host, name=["web"], systemd=True)["vms"][0]["restart_required"] == ["systemd"]
    run_ok(host, name=["web"], systemd=True, allow_restart=True)
    assert reading.read_conf(host.find("web").started_with.decode()) == {"boot.systemd": "true"}


def test_user_without_useradd():
    host = host_with_image()
    host.add("alpine", tools=("id",))
    assert run(host, name=["alpine"], default_user="anna")["failed"]
    assert not host.find("alpine").running


@pytest.mark.parametrize(("user", "changed"), [("root", False), ("anna", True)])
@pytest.mark.parametrize("running", [False, True])
def test_only_a_new_user_is_a_change_if_wsl_conf_cannot_be_written(running, user, changed):
    host = host_with_image()
    # A directory is where the new wsl.conf would be written.
    files = {**FILES, "/etc/wsl.conf": b"[boot]\nsystemd=true\n", "/etc/wsl.conf.polyvirt/x": b""}
    host.add("web", files=files, running=running)
    result = run(host, name=["web"], default_user=user, systemd=False)
    assert (result["failed"], result["changed"], host.find("web").running) == (True, changed, running)
    users = host.find("web").files["/etc/passwd"].decode()
    assert ("anna:" in users) == changed


@pytest.mark.parametrize("name", ["anna; rm -rf /", "$(id)", "a b", '"', "Anna", "-a"])
def test_user_names_are_no_script(name):
    host = host_with_image()
    host.add("web")
    run_rejected(host, "default_user", name=["web"], default_user=name)


def test_version_is_that_of_wsl_and_not_of_the_file_system():
    host = host_with_image()
    host.add("web", flags=7)
    assert host.find("web").registry()["Version"] == 2
    assert not run_ok(host, name=["web"], version=1)["changed"]
    assert "free space" in run_ok(host, name=["web"], version=2)["vms"][0]["steps"][0]["also"][0]
    assert host.find("web").version == 2


def test_move_resize_and_sparse_need_a_stop_and_permission():
    host = host_with_image()
    host.add("web", running=True)
    changes = {"name": ["web"], "install_location": "D:\\new\\web", "disks": [{"size": "2T"}]}
    run_rejected(host, "install_location", "allow_restart", **changes)
    result = run_ok(host, **changes, sparse=True, allow_unsafe_sparse=True, allow_restart=True)
    assert [step["verb"] for step in result["vms"][0]["steps"]] == ["kill", "configure", "start"]
    disk = host.files.vhd("D:\\new\\web\\ext4.vhdx")
    assert (disk.size, disk.sparse, host.find("web").running) == (2 << 40, True, True)


def test_disk_is_not_larger_than_a_virtual_disk_can_be():
    host = host_with_image()
    host.add("web")
    run_rejected(host, "web: disks.disk0.size: 65T is too large", "at most 64T", name=["web"], disks=[{"size": "65T"}])
    assert host.writes() == []
    run_ok(host, name=["web"], disks=[{"size": "64T"}])


def test_disk_is_moved_before_a_conversion_to_version_1_removes_it():
    host = host_with_image()
    host.add("web")
    run_ok(host, name=["web"], install_location="D:\\new\\web", version=1)
    found = host.find("web")
    assert (found.version, found.registry()["BasePath"]) == (1, "D:\\new\\web")
    assert not run_ok(host, name=["web"], install_location="D:\\new\\web", version=1)["changed"]


def test_default_distribution():
    host = host_with_image()
    for name in ("one", "two"):
        host.add(name)
    run_ok(host, name=["two"], default=True)
    assert host.default == host.find("two").guid
    words = ("default is true and cannot be changed to false", "another distribution")
    run_rejected(host, *words, name=["two"], default=False)


def test_export_is_done_once_and_imports_again():
    host = host_with_image()
    host.add("web", files={**FILES, "/root/data": b"x"}, running=True)
    path = "C:\\images\\saved.tar.gz"
    run_rejected(host, "export", "allow_restart", name=["web"], export=path)
    run_ok(host, name=["web"], export=path, allow_restart=True)
    before = host.files.file(path)
    assert not run_ok(host, name=["web"], export=path)["changed"]
    run_ok(host, name=["again"], image={"source": path})
    assert (host.files.file(path), host.find("again").files["/root/data"]) == (before, b"x")


@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize("check", [True, False])
def test_export_with_an_unknown_ending_is_rejected_before_anything_is_done(is_new, check):
    host = host_with_image()
    if not is_new:
        host.add("web")
    result = run(host, check=check, **(NEW if is_new else {"name": ["web"]}), export="C:\\images\\saved.zip")
    assert "web: export: the name of the file ends with none of .tar," in result["msg"]
    assert (result["changed"], host.writes()) == (False, [])


@pytest.mark.parametrize("knob", ["succeeds", "fails"])
@pytest.mark.parametrize("word", ["Test-Path", "--export"])
def test_export_never_touches_a_file_that_somebody_else_creates_meanwhile(word, knob):
    path = "C:\\images\\saved.tar"
    for call in (1, 2, 3, 4) if word == "Test-Path" else (1,):
        host = host_with_image()
        host.add("web")
        host.after(word, lambda host=host: host.files.put(path, b"precious"), call=call)
        if knob == "fails":
            host.files.capacity["C"] = host.files.used("C") + 100
        result = run(host, name=["web"], export=path)
        assert word == "Test-Path" or knob == "fails" or "was created meanwhile" in result["msg"]
        assert host.files.file(path) == b"precious", call
        assert not [one for one in host.files.contents if "saved" in one and one != path.lower()]


def test_export_that_is_interrupted_is_no_export():
    host = host_with_image()
    host.add("web")
    path = "C:\\images\\saved.tar"
    host.files.capacity["C"] = host.files.used("C") + 100
    assert "ERROR_DISK_FULL" in run(host, name=["web"], export=path)["msg"]
    host.files.capacity["C"] = 1 << 40
    # The connection ends after wsl.exe has written a part of the file: the task writes it again.
    host.windows.faults.plan(call=4, kind="lose")
    run_ok(host, name=["web"], export=path)
    assert [one for one in host.files.contents if "saved" in one] == [path.lower()]


def test_export_removes_no_file_of_others():
    host = host_with_image()
    host.add("web")
    theirs = "C:\\images\\saved.polyvirt.tar"
    host.files.put(theirs, b"precious")
    run_ok(host, name=["web"], export="C:\\images\\saved.tar")
    assert host.files.file(theirs) == b"precious"


# Power ----------------------------------------------------------------------------------------------------------------


def test_started_distribution_stops_on_its_own_and_the_result_reports_it():
    host = host_with_image()
    result = run_ok(host, **NEW, state="started")
    assert "15 seconds" in result["vms"][0]["steps"][-1]["also"][0]
    host.tick(20)
    assert not host.find("web").running
    assert run_ok(host, name=["web"], state="started")["changed"]


@pytest.mark.parametrize("how", ["true", "at_logon"])
def test_kept_distribution(how):
    host = host_with_image()
    result = run_ok(host, **NEW, state="started", keep_running=how)
    assert (result["vms"][0]["settings"]["keep_running"], result["vms"][0]["steps"][-1]["also"]) == (how, [])
    host.tick(1000)
    assert host.find("web").running
    host.reboot(logs_on=how == "at_logon")
    host.tick(5)
    assert host.find("web").running
    assert not run_ok(host, name=["web"], state="started", keep_running=how)["changed"]
    run_ok(host, name=["web"], state="stopped")
    host.reboot(logs_on=True)
    host.tick(5)
    assert not host.find("web").running
    run_ok(host, name=["web"], state="started", keep_running="false")
    assert host.tasks == {}


def test_task_that_somebody_has_changed_counts_as_none():
    host = host_with_image()
    run_ok(host, **NEW, state="started", keep_running="true")
    (task,) = host.tasks.values()
    task.xml = task.xml.replace("PT0S", "PT72H")
    assert run_ok(host, name=["web"], keep_running="true")["changed"]
    run_ok(host, name=["web"], state="absent")
    assert host.tasks == {}


def test_task_that_cannot_log_on_is_removed_and_explained():
    host = host_with_image(refuses_s4u=True)
    run_ok(host, **NEW)
    result = run(host, name=["web"], state="started", keep_running="true")
    assert result["failed"]
    assert "0x80070569" in result["msg"]
    assert "at_logon" in result["msg"]
    assert host.tasks == {}


def test_idle_timeout_of_wslconfig_keeps_everything_started():
    host = host_with_image()
    host.add("web", running=True)
    host.files.put("C:\\Users\\admin\\.wslconfig", b"[general]\ninstanceIdleTimeout=-1\n")
    assert not run_ok(host, name=["web"], state="started", keep_running="true")["changed"]
    assert run_ok(host, "distro_info")["host"]["idle_timeout"] is None


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        ("\ufeff[general]\ninstanceIdleTimeout=-1\n".encode(), None),
        ("\ufeff[general]\ninstanceIdleTimeout=-1\n".encode("utf-16-le"), None),
        (b"# \xff\n[general]\ninstanceIdleTimeout=60000\n", 60),
        (b"[general]\ninstanceIdleTimeout=--5\n", 15),
        ("[general]\ninstanceIdleTimeout=\u00b2\n".encode(), 15),
    ],
)
def test_idle_timeout_is_read_as_wsl_reads_it(content, seconds):
    host = host_with_image()
    host.add("web", running=True)
    host.files.put("C:\\Users\\admin\\.wslconfig", content)
    assert run_ok(host, "distro_info")["host"]["idle_timeout"] == seconds
    assert host.idle_seconds() == seconds


def test_shutdown_of_all_is_explicit_and_says_whom_it_stops():
    host = host_with_image()
    for name in ("one", "two"):
        host.add(name, running=True)
    result = run_ok(host, name=["one"], state="stopped", shutdown_all=True)
    assert "two" in result["vms"][0]["steps"][0]["also"][0]
    assert not host.find("two").running
    host.find("two").start()
    assert not run_ok(host, name=["one"], state="stopped", shutdown_all=True)["changed"]
    assert host.find("two").running


def test_locked_distribution_is_waited_for():
    host = host_with_image()
    host.add("web", running=True)
    host.find("web").lock = "Exporting"
    host.clock.at(30, lambda: setattr(host.find("web"), "lock", ""))
    run_ok(host, name=["web"], state="stopped")
    assert not host.find("web").running
