# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks with several drivers, which lead to one host or to several."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed

from unit.module_utils._engine.claiming import DISK, Claiming, Host, owned, path_of
from unit.module_utils._engine.tasks import carried_out, new, together, vm
from unit.module_utils._engine.world import FakeClock

DATA = {"disks": {"disk1": {"source": "/data/data.img"}}}


def by_drivers(make_host, *requests, instances=("system", "system"), **options):
    """Carry out a task with one driver for each VM, all for one host. Returns Done."""

    def carry_out(host, check):
        drivers = [Claiming(host, instance, **options) for instance in instances]
        parts = [(driver, [request], False) for driver, request in zip(drivers, requests)]
        return together(parts, *requests, check=check)

    return carried_out(make_host, *requests, carry_out=carry_out)


def both(make_host, *requests, **options):
    return [by_drivers(make_host, *order, **options) for order in (requests, requests[::-1])]


def host(*machines):
    return lambda: Host([owned(name) for name in machines])


def test_file_is_not_used_by_vms_of_two_drivers_for_one_host():
    for done in both(host(), new("web", **DATA), new("db", **DATA)):
        assert "disks.disk1.source: /data/data.img is a disk of " in done.msg


def test_two_instances_on_one_host_share_files_but_no_networks():
    """Such as libvirt's system and session: the same MAC on the default network of each is no conflict."""
    nic = {"networks": {"0": {"type": "network", "source": "default", "mac": "52:54:00:00:00:01"}}}
    instances = ("system", "session")
    for done in both(host("web", "db"), vm("web", **nic), vm("db", **nic), instances=instances):
        assert not done.outcome.failed
    done = by_drivers(host(), new("web", **DATA), new("db", **DATA), instances=instances)
    assert "db: disks.disk1.source: /data/data.img is a disk of web" in done.msg


def test_vm_listed_for_two_drivers_of_one_instance_is_rejected():
    for done in both(host("web"), vm("web", "started"), vm("web", "absent")):
        assert done.msg == "web: the VM is listed twice, as web. List each VM once."


def test_source_may_have_another_driver_than_its_clone():
    for done in both(host(), new("src"), vm("clone", clone="src", linked=True)):
        assert (done.outcome.failed, done.steps) == (False, ["create src", "clone clone"])
        assert done.host.files[path_of("clone", DISK)] == path_of("src", DISK)


def test_results_are_in_the_order_of_the_list():
    for done, names in zip(both(host(), new("src"), vm("clone", clone="src")), (["src", "clone"], ["clone", "src"])):
        assert [entry["name"] for entry in done.outcome.vms] == names


def test_vm_waits_for_a_vm_of_another_driver():
    made = Host([owned("a", disks={DISK: "/vms/a.img", "disk1": "/data/data.img"}), owned("b")])
    drivers = Claiming(made), Claiming(made)
    drivers[0].inject_errors("configure", CommandFailed(("tool",), 1, "no"))
    requests = vm("a", disks={"disk1": None}), vm("b", **DATA)
    parts = [(driver, [request], False) for driver, request in zip(drivers, requests)]
    outcome = together(parts, *requests)
    assert outcome.vms[1]["msg"] == "b: not started, because a failed."


class Counting(FakeClock):
    """A clock with the highest number of calls that were running at once."""

    most = 0

    def wait(self, futures, seconds):
        self.most = max(self.most, len(futures))
        return super().wait(futures, seconds)


@pytest.mark.parametrize(("names", "most"), [(("host1", "host1"), 1), (("host1", "host2"), 2)])
def test_steps_in_one_lane_of_one_host_are_not_sent_at_the_same_time(names, most):
    clock = Counting()
    hosts = {name: Host([owned(one) for one in "ab"], name=name, clock=clock) for name in names}
    drivers = [Claiming(hosts[name], lane="the only one") for name in names]
    requests = vm("a", cpus=2), vm("b", cpus=2)
    outcome = together([(one, [request], False) for one, request in zip(drivers, requests)], *requests)
    assert (outcome.failed, clock.most) == (False, most)


def test_vms_on_two_hosts_have_nothing_in_common():
    """Neither names and ids, nor files, MAC addresses, ports and sources."""
    details = {
        "disks": {"disk1": {"source": "/data/data.img"}},
        "networks": {"0": {"type": "network", "source": "lan", "mac": "52:54:00:00:00:01"}},
        "port_forwards": {"ssh": {"guest_port": 22, "host_port": 2222}},
    }
    for names in (("web", "web"), ("web", "db")):
        hosts = [Host(name=name) for name in ("host1", "host2")]
        hosts[1].clock = hosts[0].clock
        requests = [new(name, "started", **details) for name in names]
        parts = [(Claiming(one), [request], False) for one, request in zip(hosts, requests)]
        outcome = together(parts, *requests)
        assert (outcome.failed, [len(one.machines) for one in hosts]) == (False, [1, 1]), outcome.msg


def test_source_on_another_host_is_not_found():
    hosts = [Host(name=name) for name in ("host1", "host2")]
    requests = new("src"), vm("clone", clone="src")
    parts = [(Claiming(one), [request], False) for one, request in zip(hosts, requests)]
    assert together(parts, *requests).msg == "clone: clone.source: there is no VM 'src'. Existing VMs: none."


def test_surplus_vms_of_two_hosts_are_pruned_although_they_have_one_id_and_name():
    hosts = [Host([owned("old", fleet="lab")], name=name) for name in ("host1", "host2")]
    parts = [(Claiming(one), [], True) for one in hosts]
    outcome = together(parts, fleet="lab", prune_max=2)
    assert (outcome.failed, [one.machines for one in hosts]) == (False, [[], []])


def test_surplus_vm_that_two_connections_find_is_pruned_once():
    made = Host([owned("old", fleet="lab")])
    outcome = together([(Claiming(made), [], True), (Claiming(made), [], True)], fleet="lab", prune_max=1)
    assert (outcome.failed, len(outcome.vms), made.machines) == (False, 1, [])


def test_drivers_without_claims_are_places_of_their_own():
    """A platform that does not know what its VMs share: the same names and ids on two hosts are two VMs."""
    hosts = [Host([owned("web")], name=name) for name in ("host1", "host2")]
    drivers = [Claiming(one) for one in hosts]
    for driver in drivers:
        driver.claims = None
    requests = vm("web", cpus=2), vm("web", cpus=2)
    outcome = together([(one, [request], False) for one, request in zip(drivers, requests)], *requests)
    assert not outcome.failed, outcome.msg


def test_space_of_one_host_is_shared_by_all_its_drivers():
    made, other = Host([owned("a"), owned("b")]), Host([owned("c")], name="host2")
    drivers = [Claiming(made), Claiming(made, "session"), Claiming(made), Claiming(other)]
    for driver in drivers:
        driver.space = object()
    requests = vm("a", cpus=2), vm("b", cpus=2), vm("a", "present"), vm("c", cpus=2)
    together([(one, [request], False) for one, request in zip(drivers, requests)], *requests, check=True)
    spaces = [driver.space for driver in drivers]
    assert (spaces[0] is spaces[2], spaces[0] is spaces[3]) == (True, False)
    assert spaces[0] is spaces[1], "two instances share the drives of their host"
