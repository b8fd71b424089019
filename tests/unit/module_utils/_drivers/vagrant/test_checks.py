# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preflight: what would fail later, or needs something of the host, fails before anything is written."""

from __future__ import annotations

import pytest

FORWARD = {"name": "a", "host_port": 8080, "guest_port": 80}


def test_missing_paths_fail_before_anything_is_written(world):
    folder = {"name": "src", "host_path": "/nonexistent"}
    assert "shared_folders: /nonexistent" in world.create(shared_folders=[folder]).error
    assert "no file nosuch.sh" in world.create(provisioners=[{"path": "nosuch.sh"}]).error
    assert world.files() == {}
    (world.project / "here.sh").write_text("true\n", encoding="ascii")
    for path in ("here.sh", "https://example.com/there.sh"):
        assert world.create(provisioners=[{"path": path}]).vm["changed"]
    (world.project / "src").mkdir()
    assert world.create(shared_folders=[{**folder, "host_path": "src"}]).vm["changed"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gui": True}, "gui"),
        ({"memory": "8M"}, "16M"),
        ({"disks": [{"size": "512M"}]}, "1G"),
        ({"native": {"No such": 1}}, "No such"),
        ({"shared_folders": [{"name": "a", "host_path": "/", "read_only": True}]}, "web: The "),
        ({"provider": "wsl"}, "wsl_distro"),
        ({"provider": "wsl", "os_type": "debian-12", "box": None}, "wsl_distro"),
        ({"box": None, "clone": {"source": "web"}}, "vagrant package"),
        ({"box": None, "os_type": "debian-11000"}, "debian-12"),
        ({"vagrantfile": "../Vagrantfile"}, "without a path"),
        ({"vagrantfile": ".."}, "without a path"),
        ({"project_dir": "here"}, "full path"),
        ({"executable": "/nonexistent"}, "not found"),
    ],
)
def test_unsupported_option_fails_before_anything_is_written(world, check, options, words):
    assert words in world.create(**{"state": "started", "check": check, **options}).error
    assert world.files() == {}


def test_syntax_error_of_native_fails_before_anything_is_written(world):
    world.port.programs["ruby"] = lambda argv, environment: (1, "", "-:9: syntax error\n")
    assert world.create().error.startswith("web: Ruby does not understand what would be written: -:9: syntax error")
    assert world.files() == {}
    world.port.programs["ruby"] = lambda argv, environment: (0, "Syntax OK\n", "")
    assert world.create().vm["changed"]


def test_two_entries_that_vagrant_would_merge_are_rejected(world):
    scripts = [{"name": "a", "inline": "true"}, {"name": "a", "inline": "false"}]
    folders = [{"name": one, "host_path": str(world.project), "guest_path": "/srv"} for one in ("a", "b")]
    assert "two have the name 'a'" in world.create(provisioners=scripts).error
    assert world.create(provisioners=[{"inline": "true"}, {"inline": "false"}]).vm["changed"]
    assert "two have the guest_path '/srv'" in world.create(shared_folders=folders).error
    assert world.create(shared_folders=folders[:1]).vm["changed"]
    # What is there already counts, in whatever way it is written.
    again = [{**folders[1], "guest_path": "/srv/"}]
    for check in (True, False):
        assert "two have the guest_path '/srv'" in world.create(shared_folders=again, check=check).error
    assert world.create(shared_folders=folders[1:], purge=["shared_folders"]).vm["changed"]


@pytest.mark.parametrize(
    ("provider", "second", "fits"),
    [
        ("virtualbox", {}, False),
        ("virtualbox", {"protocol": "udp"}, True),
        ("virtualbox", {"host_address": "127.0.0.1"}, True),
        ("virtualbox", {"host_port": 8081}, True),
        # What it has for each port of the host is one process.
        ("libvirt", {"host_address": "127.0.0.1"}, False),
        ("libvirt", {"host_port": 8081}, True),
    ],
)
def test_one_host_port_is_forwarded_once(world, provider, second, fits):
    both = [FORWARD, {**FORWARD, "name": "b", **second}]
    assert world.create("mail", provider=provider, port_forwards=both).failed != fits
    assert world.create(provider=provider, port_forwards=both[:1]).vm
    again = world.run(port_forwards=both[1:])
    assert again.vm["changed"] if fits else "web: port_forwards: two have the host_port" in again.error
    purged = world.run(port_forwards=both[1:], purge=["port_forwards"])
    assert purged.vm["settings"]["port_forwards"] == [{"protocol": "tcp", **both[1]}]


def test_disk_is_sized_before_the_first_start_and_deleted_with_its_vm(world):
    assert world.create().vm
    assert world.run(disks=[{"size": "10G"}]).vm["disks"] == [{"slot": "primary", "size": 10 << 30}]
    assert world.run(disks=[{"size": "5G"}], delete_disks="none").vm["changed"]
    assert world.run(state="absent", delete_disks="none").vm["changed"]
    assert world.create("mail", disks=[{"size": "5G"}], state="started").vm
    assert "would shrink" in world.run("mail", disks=[{"size": "4G"}]).error
    assert world.create(state="started").vm
    assert "before the machine's first start" in world.run(disks=[{"size": "10G"}]).error
    for options in ({"state": "absent"}, {"box": "me/other", "allow_recreate": True}):
        assert "delete_disks" in world.run(delete_disks="none", stop_mode="force", **options).error
    assert world.states() == {"web": "running", "mail": "running"}


def test_too_old_vagrant_fails_before_a_start(world):
    world.vagrant.change(version="2.1.5")
    assert world.create().vm["changed"]
    assert "2.2 or later" in world.run(state="started").error
    assert world.run(state="absent").vm["changed"]
    world.vagrant.write("Vagrant.configure do |config|\nend\n", "Vagrantfile")
    assert "2.2 or later" in world.run("default", managed=False, check=True, state="started").error


def test_traits_are_of_the_vms_that_a_task_is_about(virtualbox_world):
    identifier = virtualbox_world.create(state="started").vm["id"]
    assert virtualbox_world.create("mail", provider="hyperv").vm
    for asked, providers in (
        ({"name": ["web"]}, {"virtualbox"}),
        ({"id": identifier}, {"virtualbox"}),
        ({"name": ["web", "mail"]}, {"virtualbox", "hyperv"}),
        ({"name": ["mail", "new"]}, {"virtualbox", "hyperv"}),
        ({"name": ["web", "new"], "provider": "libvirt"}, {"virtualbox", "libvirt"}),
    ):
        driver = virtualbox_world.driver(vagrantfile=None, managed=True, executable="vagrant", **asked)
        driver.traits()
        assert (driver.providers, driver.has_tools) == (providers, len(providers) == 1)


def test_vms_of_two_providers_need_tasks_of_their_own(world):
    """Each provider suspends and restores in its own way."""
    providers = {"web": "hyperv", "mail": "vmware_desktop"}
    boxes = [{"name": "polyvirt/fast", "provider": one, "version": "0"} for one in providers.values()]
    world.vagrant.change(usable=list(providers.values()), boxes=boxes)
    for name, provider in providers.items():
        assert world.create(name, provider=provider, state="started").vm
    for state, name, has in (("paused", "mail", "suspended"), ("suspended", "web", "paused")):
        message = world.run([*providers], state=state).error
        assert message.startswith(f"{name}: of the provider {providers[name]} ")
        assert f"It has {has}." in message
    assert not world.run([*providers], "snapshot", snapshot="one").failed
    assert "one provider at a time" in world.run([*providers], "snapshot", snapshot="one", state="restored").error
    for name in providers:
        assert world.run(name, "snapshot", snapshot="one", state="restored").vm
        assert world.run(name, state="suspended" if name == "mail" else "paused").vm["changed"]
