# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preflight: a task that would fail later, or lacks something on the host, fails before anything is written."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import net

from unit.module_utils._drivers.vagrant.in_process import BOX, World, users_file

NAT = {"type": "nat"}
FORWARD = {"name": "a", "host_port": 8080, "guest_port": 80}


def test_missing_paths_fail_before_anything_is_written(world):
    folder = {"name": "src", "host_path": "/nonexistent"}
    assert "shared_folders.src.host_path: /nonexistent does not exist" in world.create(shared_folders=[folder]).error
    assert "nosuch.sh does not exist on the host" in world.create(provisioners=[{"path": "nosuch.sh"}]).error
    assert world.files() == {}
    (world.project / "here.sh").write_text("true\n", encoding="ascii")
    for path in ("here.sh", "https://example.com/there.sh"):
        assert world.create(provisioners=[{"path": path}]).vm["changed"]
    (world.project / "src").mkdir()
    assert world.create(shared_folders=[{**folder, "host_path": "src"}]).vm["changed"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"gui": True}, "gui"),
        ({"memory": "8M"}, "16M"),
        ({"disks": [{"size": "512M"}]}, "1G"),
        ({"native": {"No such": 1}}, "No such"),
        ({"shared_folders": [{"name": "a", "host_path": "/", "read_only": True}]}, "web: The "),
        ({"provider": "wsl"}, "wsl_distro"),
        ({"provider": "docker"}, "community.docker"),
        ({"provider": "parallels"}, "managed: false"),
        ({"provider": "wsl", "os_type": "debian-12", "box": None}, "wsl_distro"),
        ({"box": None, "clone": {"source": "web"}}, "vagrant package"),
        ({"box": None, "os_type": "debian-11000"}, "debian-12"),
        ({"vagrantfile": "../Vagrantfile"}, "without a path"),
        ({"vagrantfile": ".."}, "without a path"),
        ({"project_dir": "here"}, "absolute path"),
        ({"executable": "/nonexistent"}, "not found"),
    ],
)
def test_unsupported_option_fails_before_anything_is_written(world, options, text):
    world.rejected(text, **{"box": BOX, "state": "started", **options})
    assert world.files() == {}


def test_two_entries_that_vagrant_would_merge_are_rejected(world):
    scripts = [{"name": "a", "inline": "true"}, {"name": "a", "inline": "false"}]
    folders = [{"name": one, "host_path": str(world.project), "guest_path": "/srv"} for one in ("a", "b")]
    assert "two entries have the name 'a'" in world.create(provisioners=scripts).error
    assert world.create(provisioners=[{"inline": "true"}, {"inline": "false"}]).vm["changed"]
    assert "two entries have the guest_path '/srv'" in world.create(shared_folders=folders).error
    assert world.create(shared_folders=folders[:1]).vm["changed"]
    # An existing entry counts, too, and "/srv/" is the same path.
    again = [{**folders[1], "guest_path": "/srv/"}]
    world.rejected("two entries have the guest_path '/srv'", box=BOX, shared_folders=again)
    assert world.create(shared_folders=folders[1:], purge=["shared_folders"]).vm["changed"]


@pytest.mark.parametrize(
    ("provider", "second", "accepted"),
    [
        ("virtualbox", {}, False),
        ("virtualbox", {"protocol": "udp"}, True),
        # A forward without an address listens at all addresses.
        ("virtualbox", {"host_address": "127.0.0.1"}, False),
        ("virtualbox", {"host_port": 8081}, True),
        # vagrant-libvirt starts one process for each host port.
        ("libvirt", {"host_address": "127.0.0.1"}, False),
        ("libvirt", {"host_port": 8081}, True),
    ],
)
def test_host_port_cannot_be_forwarded_twice(world, provider, second, accepted):
    both = [FORWARD, {**FORWARD, "name": "b", **second}]
    assert world.create("mail", provider=provider, port_forwards=both).failed != accepted
    assert not world.run("mail", state="absent").failed
    assert world.create(provider=provider, port_forwards=both[:1]).vm
    again = world.run(port_forwards=both[1:])
    if accepted:
        assert again.vm["changed"]
    else:
        assert "web: port_forwards.b.host_port: 8080 is also that of port_forwards.a.host_port" in again.error
    purged = world.run(port_forwards=both[1:], purge=["port_forwards"])
    assert purged.vm["settings"]["port_forwards"] == [{"protocol": "tcp", **both[1]}]


def test_disk_is_sized_before_the_first_start_and_deleted_with_its_vm(world):
    assert world.create().vm
    assert world.run(disks=[{"size": "10G"}]).vm["disks"] == [{"slot": "primary", "size": "10G"}]
    assert world.run(disks=[{"size": "5G"}], delete_disks="none").vm["changed"]
    assert world.run(state="absent", delete_disks="none").vm["changed"]
    assert world.create("mail", disks=[{"size": "5G"}], state="started").vm
    assert "are never shrunk" in world.run("mail", disks=[{"size": "4G"}]).error
    assert world.create(state="started").vm
    assert "before the VM's first start" in world.run(disks=[{"size": "10G"}]).error
    for options in ({"state": "absent"}, {"box": "me/other", "allow_recreate": True}):
        assert "delete_disks" in world.run(delete_disks="none", stop_mode="force", **options).error
    assert world.states() == {"web": "running", "mail": "running"}


def test_too_old_vagrant_fails_before_a_start(world):
    world.vagrant.change(version="2.1.5")
    assert world.create().vm["changed"]
    assert "2.2 or later" in world.run(state="started").error
    assert world.run(state="absent").vm["changed"]
    world.vagrant.write(users_file(), "Vagrantfile")
    assert "2.2 or later" in world.run("default", managed=False, check=True, state="started").error


def test_traits_depend_on_the_providers_of_the_requested_vms(virtualbox_world):
    identifier = virtualbox_world.create(state="started").vm["id"]
    assert virtualbox_world.create("mail", provider="hyperv").vm
    for params, providers in (
        ({"name": ["web"]}, {"virtualbox"}),
        ({"id": identifier}, {"virtualbox"}),
        ({"name": ["web", "mail"]}, {"virtualbox", "hyperv"}),
        ({"name": ["mail", "new"]}, {"virtualbox", "hyperv"}),
        ({"name": ["web", "new"], "provider": "libvirt"}, {"virtualbox", "libvirt"}),
    ):
        driver = virtualbox_world.driver(vagrantfile=None, managed=True, executable="vagrant", **params)
        driver.traits()
        assert (driver.providers, driver.has_tools) == (providers, len(providers) == 1)


def test_vms_of_two_providers_need_separate_tasks(world):
    """Providers suspend and restore VMs differently."""
    providers = {"web": "hyperv", "mail": "vmware_desktop"}
    boxes = [{"name": "polyvirt/fast", "provider": one, "version": "0"} for one in providers.values()]
    world.vagrant.change(usable=list(providers.values()), boxes=boxes)
    for name, provider in providers.items():
        assert world.create(name, provider=provider, state="started").vm
    for state, name, supported in (("paused", "mail", "suspended"), ("suspended", "web", "paused")):
        message = world.run([*providers], state=state).error
        assert message.startswith(f"{name}: with the provider {providers[name]} ")
        assert f"Use state: {supported}." in message
    assert not world.run([*providers], "snapshot", snapshot="one").failed
    assert "one provider at a time" in world.run([*providers], "snapshot", snapshot="one", state="restored").error
    for name in providers:
        assert world.run(name, "snapshot", snapshot="one", state="restored").vm
        assert world.run(name, state="suspended" if name == "mail" else "paused").vm["changed"]


# Errors that only Vagrant detects -------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("changed", "options", "text"),
    [
        ({"usable": []}, {}, "web: provider: The provider 'hyperv' that was requested"),
        ({"known": [], "usable": []}, {}, "'hyperv' could not be found"),
        ({"invalid": "The following settings shouldn't exist: nosuch"}, {}, "web: Vagrant rejects its settings: "),
        ({}, {"box": "nosuch"}, "box: this user has no box 'nosuch'"),
        ({}, {"box": "nosuch", "box_url": "/nonexistent.box"}, "box_url: the file /nonexistent.box does not exist"),
        ({}, {"box": "nosuch", "box_url": "file:///nonexistent.box"}, "box_url: the file"),
        ({}, {"box": "here", "box_version": "2.0"}, "box: this user has no box 'here' in version 2.0"),
        ({}, {"box": "nosuch", "box_version": ">= 1"}, "box: this user has no box 'nosuch' in version >= 1"),
        ({}, {"box": "here", "box_url": "/bin/sh", "box_version": "2"}, "box_version: /bin/sh is a box"),
    ],
)
def test_first_start_that_vagrant_would_reject_fails_in_check_mode_too(world, tmp_path, check, changed, options, text):
    (tmp_path / "home" / "boxes" / "here" / "1.0" / "hyperv").mkdir(parents=True)
    world.vagrant.change(**changed)
    answer = world.create(**options, state="started", check=check)
    assert text in answer.error
    assert (world.files(), "up" in [call[1] for call in answer.calls]) == ({}, False)


@pytest.mark.parametrize(
    "options", [{"box": "polyvirt/nowhere"}, {"box": "here"}, {"box": "x", "box_url": "https://example.com/x.box"},
                {"box": "here", "box_version": "= 1"},
                {"box": "here", "box_version": ">= 9"}, {"box": "x", "box_url": "file:///etc/x", "box_version": "2"}]
)  # fmt: skip
def test_box_that_exists_or_may_be_downloaded_is_accepted(world, tmp_path, options):
    (tmp_path / "home" / "boxes" / "here" / "1.0").mkdir(parents=True)
    (tmp_path / "versions").write_text("{}", encoding="ascii")
    options = {
        key: value.replace("/etc/x", f"{tmp_path}/versions") if key == "box_url" else value
        for key, value in options.items()
    }
    assert world.create(**options, state="started", check=True).vm["changed"]


def test_validation_resolves_relative_paths_in_the_project(world):
    (world.project / "src").mkdir()
    (world.project / "setup.sh").write_text("true\n", encoding="ascii")
    paths = {"shared_folders": [{"name": "a", "host_path": "src"}], "provisioners": [{"path": "setup.sh"}]}
    answer = world.create(**paths, state="started", check=True)
    assert answer.vm["changed"]
    assert "validate" in [call[1] for call in answer.calls]
    assert not world.file.exists()


def test_validation_uses_the_provider_of_the_vm(world):
    """For a VM that is not created yet, Vagrant 2.3.4 uses the first usable provider, unless a provider is set."""
    world.variables["VAGRANT_DEFAULT_PROVIDER"] = "libvirt"
    run, calls = world.port.programs["vagrant"], []
    world.port.programs["vagrant"] = lambda argv, environment: (
        calls.append((argv[1], environment)) or run(argv, environment)
    )
    assert world.create(provider="hyperv", state="started", check=True).vm["changed"]
    ((_command, environment),) = [one for one in calls if one[0] == "validate"]
    assert environment["VAGRANT_DEFAULT_PROVIDER"] == "hyperv"


def test_existing_description_is_not_validated_again(world):
    assert world.create(state="started").vm
    assert world.run(state="stopped", stop_mode="force").vm
    assert "validate" not in [call[1] for call in world.run(state="started").calls]


@pytest.mark.parametrize("provider", ["hyperv", "virtualbox"])
@pytest.mark.parametrize("check", [True, False])
def test_error_about_vm_that_was_removed_from_the_users_file(tmp_path, provider, check):
    world, own = World(tmp_path, provider), {"managed": False, "check": check, "stop_mode": "force"}
    world.vagrant.write(users_file("web", "mail"), "Vagrantfile")
    identifier = world.run("web", managed=False, state="started").vm["id"]
    world.vagrant.write(users_file("new", "mail"), "Vagrantfile")
    for state in ("restarted", "absent"):
        message = world.run("web", state=state, **own).error
        assert f"{world.project}/Vagrantfile does not describe it" in message
        assert provider == "hyperv" or f"delete {identifier} with the tools of virtualbox" in message
    assert world.run("mail", state="started", **own).vm["changed"]
    (found,) = [vm for vm in world.run(None, about="vm_info", managed=False).vms if vm["name"] == "web"]
    assert found["state"] == ("unknown" if provider == "hyperv" else "running")


@pytest.mark.parametrize("provider", ["hyperv", "virtualbox"])
def test_error_about_a_users_file_that_reads_its_environment_names_the_environment_of_the_task(tmp_path, provider):
    """In the user's shell the file may describe the VM: deleting it would be wrong advice."""
    world = World(tmp_path, provider)
    own = {"managed": False, "stop_mode": "force"}
    world.vagrant.write(users_file("web", "mail"), "Vagrantfile")
    assert world.run("web", state="started", **own).vm
    world.vagrant.write(users_file("new", "mail") + "# count = ENV.fetch('NODES', 2)\n", "Vagrantfile")
    texts = ["reads ENV", "the keyword environment of the task"]
    if provider == "virtualbox":
        texts.append("with the environment of this task")
    world.rejected(*texts, state="restarted", **own)


@pytest.mark.parametrize("options", [{"managed": False}, {"managed": False, "vagrantfile": "Nosuch"}])
def test_error_names_missing_file_of_the_user(world, options):
    file = options.get("vagrantfile", "Vagrantfile")
    assert world.run(state="started", **options).error.startswith(
        f"vagrantfile: {world.project}/{file} does not exist."
    )
    assert not world.run(state="absent", **options).changed
    assert world.run(None, about="vm_info", **options).vms == []


def test_error_names_missing_plugin(world):
    """Vagrant asks whether to install the plugin, and reports only that there is no terminal."""
    world.vagrant.write(users_file(), "Vagrantfile")
    warning = (
        "1795301824,,ui,warn,Vagrant has detected project local plugins\\nwhich are not installed.\\n\\n  vagrant-x\n"
    )
    # Vagrant prints this too, because the module enables such features.
    ours = "1795301824,,ui,warn,==> vagrant: You have requested to enabled the experimental flag with the following\n"
    early = "Vagrant failed to initialize at a very early stage:\n\nVagrant is attempting to interface with the UI\n"
    world.port.programs["vagrant"] = lambda argv, environment: (1, ours + warning, early)
    message = world.run("default", managed=False, state="started").error
    assert "which are not installed. vagrant-x" in message
    assert "experimental" not in message
    assert "vagrant plugin install NAME" in message


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ({"port_forwards": [FORWARD]}, {"port_forwards": [{**FORWARD, "name": "b"}]},
         "web: port_forwards.b.host_port: 8080 is used by mail. Set another host_port."),
        ({"networks": [NAT, {"type": "hostonly", "address": "192.168.56.10"}]},
         {"networks": [NAT, {"type": "hostonly", "address": "192.168.56.10"}]},
         "web: networks.1.address: 192.168.56.10 is used by mail"),
        ({"port_forwards": [FORWARD]}, {"port_forwards": [{**FORWARD, "protocol": "udp"}]}, None),
    ],
)  # fmt: skip
def test_vms_of_one_project_cannot_share_an_address_or_a_host_port(virtualbox_world, first, second, text):
    world = virtualbox_world
    assert world.create("mail", **first).vm
    for check in (True, False):
        answer = world.create("web", **second, check=check)
        assert text in answer.error if text else answer.vm
    # The VM that was described first can still be changed.
    assert world.run("mail", memory="96M").vm["changed"]


def test_host_port_passes_to_another_vm_in_one_task(virtualbox_world, monkeypatch):
    """The port of a running VM is free once the task has deleted the VM."""
    world = virtualbox_world
    assert world.create("mail", state="started", port_forwards=[FORWARD]).vm
    monkeypatch.setattr(
        net, "is_free", lambda host, port, protocol: "project_mail" not in world.virtualbox.run("list", "vms")
    )
    entries = [{"name": "mail", "state": "absent"}, {"name": "web", "state": "started", "port_forwards": [FORWARD]}]
    for check in (True, False):
        answer = world.run_all(entries, check=check, box=BOX, stop_mode="force")
        assert not answer.failed, answer.msg


def test_running_vm_keeps_its_old_host_port_until_it_is_started_again(virtualbox_world):
    world = virtualbox_world
    assert world.create("mail", state="started", port_forwards=[FORWARD]).vm
    changed = {"name": "mail", "port_forwards": [{**FORWARD, "host_port": 8081}]}
    new = {"name": "web", "port_forwards": [FORWARD]}
    answer = world.run_all([changed, new], box=BOX)
    assert "web: port_forwards.a.host_port: 8080 is used by mail." in answer.error
    assert world.run_all(
        [{**changed, "state": "stopped", "stop_mode": "force"}, new], box=BOX, provider="virtualbox"
    ).vms


def test_host_port_of_another_program_is_rejected_before_a_start(virtualbox_world, monkeypatch):
    world, forward = virtualbox_world, {"port_forwards": [FORWARD]}
    monkeypatch.setattr(net, "is_free", lambda host, port, protocol: False)
    world.rejected("host port 8080 of a is used by another program", box=BOX, state="started", **forward)
    assert world.create(**forward).vm["changed"]
    monkeypatch.setattr(net, "is_free", lambda host, port, protocol: True)
    assert world.run(state="started").vm["changed"]
    monkeypatch.setattr(net, "is_free", lambda host, port, protocol: False)
    assert world.run(**forward, memory="96M").vm["changed"]


def test_disk_in_libvirt_is_not_larger_than_qcow2_can_be(world):
    texts = "web: disks.primary.size: 3P is too large: libvirt", "at most 2P"
    world.rejected(*texts, box=BOX, provider="libvirt", disks=[{"size": "3P"}])
    assert world.files() == {}
    assert world.create(provider="libvirt", disks=[{"size": "2P"}]).vm["changed"]
