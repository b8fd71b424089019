# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs, port forwards and their host ports, SSH, and addresses."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Target

from unit.module_utils._drivers.vbox.in_process import ENGINE, SMALL, InProcess, configure, driver_of, observed, task

NETWORKS = {"bridgedifs": ["eth0", "vm net"], "hostonlyifs": ["vboxnet0"], "natnets": ["Net 1"]}
NICS = {
    "0": {"type": "nat"},
    "1": {"type": "bridged", "source": "vm net"},
    "2": {"type": "hostonly", "source": "vboxnet0"},
    "3": {"type": "internal"},
    "4": {"type": "network", "source": "Net 1"},
}
VALUES = {
    "nic1": "nat", "nic2": "bridged", "bridgeadapter2": "vm net", "nic3": "hostonly", "hostonlyadapter3": "vboxnet0",
    "nic4": "intnet", "intnet4": "intnet", "nic5": "natnetwork", "nat-network5": "Net 1",
}  # fmt: skip
KNOWN = {"bridged": "eth0, vm net", "hostonly": "vboxnet0", "network": "Net 1"}
CREATE = {
    "hostonly": ["VBoxManage hostonlyif create. It prints the name", "hostonlyif ipconfig NAME --ip 192.168.56.1"],
    "network": ["VBoxManage natnetwork add --netname"],
}
WITHOUT_SSH = {**SMALL, "ssh_forward": False}
WEB = {"web": {"host_port": 8080, "guest_port": 80}}


def internal_nics(count, first=0):
    return {str(place): {"type": "internal"} for place in range(first, first + count)}


def rules(vbox, name="web"):
    """The port forwards of a VM, as VBoxManage prints them."""
    return sorted(value for key, value in vbox.values(name).items() if key.startswith("Forwarding("))


# NICs -------------------------------------------------------------------------------------------------------------


def test_new_vm_gets_each_type_of_network(vbox):
    vbox.has_networks(**NETWORKS)
    configure(vbox, **SMALL, networks=NICS)
    assert {**vbox.values(), **VALUES} == vbox.values()


@pytest.mark.parametrize("state", ["present", "started"])
def test_existing_vm_gets_each_type_of_network(vbox, state):
    vbox.has_networks(**NETWORKS)
    task(vbox, state=state, config={**SMALL, "networks": {**internal_nics(3), "3": {"type": "nat"}}}).succeeded()
    types = {"0": NICS["1"], "1": NICS["2"], "2": NICS["4"], "3": {"type": "internal", "source": "lan"}}
    configure(vbox, networks=types)
    found = observed(vbox).config["networks"]
    assert {place: {key: found[place][key] for key in nic} for place, nic in types.items()} == types


@pytest.mark.parametrize(("kind", "known"), KNOWN.items())
def test_error_about_unknown_source_lists_existing_ones(vbox, kind, known):
    vbox.has_networks(**NETWORKS)
    config = {"networks": {"0": {"type": kind, "source": "nosuch"}}}
    task(vbox, config={**SMALL, **config}).refused("'nosuch'", f"Available: {known}")
    vbox.make("web")
    task(vbox, config=config).refused("'nosuch'", f"Available: {known}")
    without_source = {"networks": {"0": {"type": kind}}}
    task(vbox, config=without_source).refused("source is required", f"Available: {known}")
    vbox.has_networks()
    for missing in (config, without_source):
        task(vbox, config=missing).refused("Available: none", *CREATE.get(kind, ()))


def test_source_and_type_are_set_separately(vbox):
    """A source applies to the type of the NIC; setting the type that the NIC already has keeps its source."""
    nics = {"0": {"type": "internal", "source": "a"}, "1": {"type": "nat"}}
    task(vbox, config={**SMALL, "networks": nics}).succeeded()
    configure(vbox, networks={"0": {"source": "b"}})
    assert vbox.values()["intnet1"] == "b"
    configure(vbox, networks={"0": {"type": "internal", "model": "virtio"}})
    assert (vbox.values()["intnet1"], vbox.values()["nictype1"]) == ("b", "virtio")
    configure(vbox, networks={"1": {"mac": "08:00:27:00:00:01"}})
    assert (vbox.values()["macaddress2"], vbox.values()["nic2"]) == ("080027000001", "nat")


def test_nic_is_removed(vbox):
    task(vbox, config={**SMALL, "networks": internal_nics(2)}).succeeded()
    configure(vbox, networks={"1": None})
    assert (list(observed(vbox).config["networks"]), vbox.values()["nic2"]) == (["0"], "none")


@pytest.mark.parametrize(("chipset", "maximum"), [("piix3", 8), ("ich9", 36)])
def test_number_of_nics_is_limited_by_the_chipset(vbox, chipset, maximum):
    """VirtualBox itself ignores a NIC above the maximum and exits with 0."""
    native = {**ENGINE, "chipset": chipset}
    texts = [f"NIC {maximum + 1}", chipset, f"only {maximum} NICs"]
    task(vbox, config={**SMALL, "native": native, "networks": internal_nics(maximum + 1)}).refused(*texts)
    assert task(vbox, config={**SMALL, "native": native, "networks": internal_nics(8)}, check=True).succeeded().changed
    task(vbox, config={**SMALL, "native": native}).succeeded()
    done = task(vbox, config={"networks": internal_nics(1, first=maximum)}).refused(*texts)
    assert ("chipset: ich9" in done.outcome.msg) == (chipset == "piix3")
    assert task(vbox, config={"networks": internal_nics(1, first=maximum - 1)}, check=True).succeeded().changed
    clone = {"source": "web", "linked": False}
    task(vbox, "copy", clone=clone, config={"networks": internal_nics(1, first=maximum)}).refused(*texts)


def test_chipset_is_changed_before_the_nics_that_need_it(vbox):
    task(vbox).succeeded()
    config = {"native": {"chipset": "ich9"}, "networks": {"8": {"type": "nat"}, "35": {"type": "internal"}}}
    # The double has only 8 NICs, so the test checks the calls of the task.
    done = task(vbox, config=config)
    assert done.writes[0] == "modifyvm --chipset ich9"
    assert "--nic9 nat --nic36 intnet --intnet36 intnet" in done.writes[1]
    assert task(vbox, config={"networks": internal_nics(1, first=8)}).writes == [
        "modifyvm --nic9 intnet --intnet9 intnet"
    ]


# Forwards and ports -----------------------------------------------------------------------------------------------


def test_forward_for_all_host_addresses_has_no_address(vbox):
    rule = {"host_address": "", "host_port": 8080, "guest_port": 80}
    configure(vbox, **WITHOUT_SSH, port_forwards={"web": rule})
    configure(vbox, port_forwards={"web": {"host_address": "127.0.0.1"}})
    configure(vbox, port_forwards={"web": {"host_address": ""}})
    assert rules(vbox) == ["web,tcp,,8080,,80"]


@pytest.mark.parametrize("state", ["present", "started"])
def test_rules_are_changed_and_removed(vbox, state):
    two = {**WEB, "dns": {"protocol": "udp", "host_address": "127.0.0.1", "host_port": 53, "guest_port": 53}}
    task(vbox, state=state, config={**WITHOUT_SSH, "port_forwards": two}).succeeded()
    assert rules(vbox) == ["dns,udp,127.0.0.1,53,,53", "web,tcp,,8080,,80"]
    configure(vbox, port_forwards={"web": {"host_port": 8081}, "dns": {"guest_port": 54, "host_address": "127.0.0.2"}})
    assert rules(vbox) == ["dns,udp,127.0.0.2,53,,54", "web,tcp,,8081,,80"]
    configure(vbox, port_forwards={"web": None, "dns": {"protocol": "tcp"}})
    assert rules(vbox) == ["dns,tcp,127.0.0.2,53,,54"]
    configure(vbox, ssh_forward=True)
    (ssh,) = [rule for rule in rules(vbox) if rule.startswith("polyvirt-ssh,tcp,127.0.0.1,2")]
    assert ssh.endswith(",,22")
    configure(vbox, ssh_forward=False)
    assert rules(vbox) == ["dns,tcp,127.0.0.2,53,,54"]


def test_changed_rules_stay_at_their_nics(vbox):
    vbox.make("web")
    vbox.run("modifyvm", "web", "--nic2", "nat", "--natpf1", "one,tcp,,2101,,1", "--natpf2", "two,tcp,,2102,,2")
    done = configure(vbox, port_forwards={"two": {"host_port": 2202}})
    assert "--natpf2 delete two" in done.writes[0]
    assert rules(vbox) == ["one,tcp,,2101,,1", "two,tcp,,2202,,2"]


def test_chosen_port_is_not_used_by_others(vbox):
    """Not chosen: a port of another VM that is off, of another rule, or one that a program uses."""
    entry = {"a": {"guest_port": 1}}
    task(vbox, config={**WITHOUT_SSH, "port_forwards": entry}).succeeded()
    (port,) = (int(rule.split(",")[3]) for rule in rules(vbox))
    others = {"b": {"host_port": port + 1, "guest_port": 2}}
    task(vbox, "other", config={**WITHOUT_SSH, "port_forwards": others}).succeeded()
    task(vbox, config={"port_forwards": {"a": None, "c": {"host_port": port, "guest_port": 3}}}).succeeded()
    vbox.listening = {port + 2}
    configure(vbox, port_forwards=entry)
    assert [int(rule.split(",")[3]) for rule in rules(vbox)] == [port + 3, port]


@pytest.mark.parametrize("state", ["started", "present"])
def test_port_that_a_program_uses_is_rejected(vbox, state):
    """The task fails only if it starts the VM; a rule of a VM that is off may name any port."""
    vbox.listening = {8080}
    task(vbox).succeeded()
    done = task(vbox, state=state, config={"port_forwards": WEB})
    in_use = "host_port: 8080 is already used by another program"
    done.refused(in_use) if state == "started" else done.succeeded()


def test_port_of_a_running_vm_is_rejected(vbox):
    task(vbox, "first", state="started", config={**SMALL, "port_forwards": WEB}).succeeded()
    vbox.listening = {8080}  # By the first VM.
    assert not task(vbox, "first", config={"port_forwards": WEB}).succeeded().changed
    task(vbox, "second", state="started").succeeded()
    task(vbox, "second", config={"port_forwards": WEB}).refused("host_port: 8080 is used by first")
    udp = {"web": {**WEB["web"], "protocol": "udp"}}
    vbox.listening = set()
    task(vbox, "second", config={"port_forwards": udp}).succeeded()
    renamed = {"web": None, "web2": {"host_port": 8080, "guest_port": 81}}
    vbox.listening = {8080}
    task(vbox, "first", config={"port_forwards": renamed}).succeeded()


# SSH and addresses ------------------------------------------------------------------------------------------------


def ssh_port(done):
    return done.succeeded().vm["ssh"]["port"]


def test_ssh_port_that_a_program_uses_is_replaced(vbox):
    """A VM cloned by hand has the same rule, and another program may use the port while the VM is stopped."""
    first = ssh_port(task(vbox, state="started"))
    assert 20000 <= first < 30000
    task(vbox, state="stopped").succeeded()
    done = task(vbox, state="started")
    assert (ssh_port(done), done.verbs) == (first, ["startvm"])
    task(vbox, state="stopped").succeeded()
    vbox.listening = {first}
    done = task(vbox, state="started")
    again = ssh_port(done)
    assert (again != first, done.verbs) == (True, ["modifyvm", "startvm"])
    assert rules(vbox) == [f"polyvirt-ssh,tcp,127.0.0.1,{again},,22"]
    vbox.listening = {first, again}  # By the VM itself now.
    assert task(vbox, state="started").succeeded().writes == []


@pytest.mark.parametrize(("rules", "ssh"), [
    (["other,tcp,,2222,,22"], ("127.0.0.1", 2222)),
    (["other,tcp,0.0.0.0,2222,,22"], ("127.0.0.1", 2222)),
    (["other,tcp,192.168.7.1,2222,,22"], ("192.168.7.1", 2222)),
    (["other,tcp,,2222,,22", "polyvirt-ssh,tcp,127.0.0.1,2223,,22"], ("127.0.0.1", 2223)),
    (["other,udp,,2222,,22", "web,tcp,,2224,,80"], None),
])  # fmt: skip
def test_ssh_uses_the_forward_to_port_22(vbox, rules, ssh):
    vbox.make("web")
    vbox.run("modifyvm", "web", *(word for rule in rules for word in ("--natpf1", rule)))
    assert observed(vbox).ssh is None
    vbox.run("startvm", "web")
    found = observed(vbox).ssh
    assert (found and (found["host"], found["port"])) == ssh


def test_addresses_of_a_running_vm(vbox):
    """Leases of any host-only NIC, and what the guest reported in this boot."""
    vbox.has_networks(hostonlyifs=["vboxnet0"])
    uuid = vbox.make("web", "ignores")
    for number in (1, 2, 3):
        options = (f"--nic{number}", "hostonly", f"--hostonlyadapter{number}", "vboxnet0")
        vbox.run("modifyvm", uuid, *options, f"--macaddress{number}", f"08002700000{number}")
    vbox.has_leases({f"08:00:27:00:00:0{number}": [f"192.168.56.10{number}", state]
                     for number, state in ((2, "acked"), (3, "expired"))})  # fmt: skip
    assert observed(vbox, "addresses").addresses == ()
    vbox.run("startvm", uuid)
    vbox.run("guestproperty", "set", uuid, "/VirtualBox/HostInfo/VBoxVer", "7.2.22")
    for number, address in enumerate(("192.168.56.7", "127.0.0.1", "")):
        vbox.run("guestproperty", "set", uuid, f"/VirtualBox/GuestInfo/Net/{number}/V4/IP", address)
    found = observed(vbox, "addresses")
    sources = {one.address: one.source for one in found.addresses}
    assert sources == {"192.168.56.102": "lease", "192.168.56.7": "agent"}
    assert found.ssh == {"host": "192.168.56.102", "port": 22, "user": None, "scope": "host"}
    assert [one.source for one in observed(vbox).addresses] == ["agent"]  # Leases need a call that was not requested.
    driver = driver_of(vbox)
    driver.observe(None, frozenset({"config"}))
    (light,) = driver.observe([Target(id=uuid)], frozenset({"power", "addresses"})).vms
    assert light.addresses == found.addresses
    failing = InProcess(vbox, fails={"guestproperty": "out of memory"})
    assert [one.source for one in observed(vbox, "addresses", commands=failing).addresses] == ["lease"]
    vbox.run("guestproperty", "set", uuid, "/VirtualBox/HostInfo/VBoxVer", "7.2.22")
    assert [one.source for one in observed(vbox, "addresses").addresses] == ["lease"]


def test_guest_additions_of_a_running_vm(vbox):
    """A version that the guest reported before its last boot shows that they are installed, not that they run."""
    uuid = vbox.make("web", "ignores")
    assert observed(vbox, "addresses").guest_tools is None
    vbox.run("startvm", uuid)
    vbox.run("guestproperty", "set", uuid, "/VirtualBox/HostInfo/VBoxVer", "7.2.22")
    unknown = {"installed": None, "running": False, "version": None, "run_level": None}
    assert observed(vbox, "addresses").guest_tools == unknown
    vbox.run("guestproperty", "set", uuid, "/VirtualBox/GuestAdd/Version", "7.0.14")
    running = {"installed": True, "running": True, "version": "7.0.14", "run_level": "userland"}
    assert observed(vbox, "addresses").guest_tools == running
    assert observed(vbox).guest_tools == {**running, "run_level": None}  # It needs a call that was not requested.
    failing = InProcess(vbox, fails={"showvminfo": "VM was stopped"})
    assert observed(vbox, "addresses", commands=failing).guest_tools == {**running, "run_level": None}
    vbox.run("guestproperty", "set", uuid, "/VirtualBox/HostInfo/VBoxVer", "7.2.22")
    assert observed(vbox, "addresses").guest_tools == {**unknown, "installed": True, "version": "7.0.14"}
