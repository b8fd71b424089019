# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task waits for, and how long: guests that stop, busy VMs, temporary errors, guests that answer."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Timeout
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Address, Policy, Request

from unit.module_utils._engine.waits import FORWARD, answers, ask, carry_out, running
from unit.module_utils._engine.world import Machine, World, refusal

# Stopping -------------------------------------------------------------------------------------------------------------


def test_guest_may_take_some_seconds_to_stop():
    world = World(running(stop_seconds=7))
    outcome = carry_out(world, ask("web", "stopped"))
    assert (outcome.failed, outcome.changed, outcome.vms[0]["state"]) == (False, True, "stopped")
    assert world.calls == [(0, "stop", "web")]
    assert 7 <= world.clock.now() <= 9


def test_stop_request_is_repeated_after_ten_seconds():
    world = World(running(ignored_stops=1, stop_seconds=3))
    assert not carry_out(world, ask("web", "stopped")).failed
    assert [verb for _second, verb, _name in world.calls] == ["stop", "stop"]
    assert 10 <= world.calls[1][0] <= 11
    assert 13 <= world.clock.now() <= 15


def test_guest_that_ignores_stop_requests_fails_the_task_and_keeps_running():
    world = World(running(stop_seconds=None))
    outcome = carry_out(world, ask("web", "stopped", stop_timeout=25))
    assert outcome.msg.startswith("web: after stop it is still running (waited 25 s for stopped).")
    assert "stop_mode: graceful_then_force" in outcome.msg
    assert (world.verbs(), world.machine("web").power) == (["stop", "stop", "stop"], "running")
    assert (outcome.changed, outcome.diff) == (False, []), "a request that was ignored has changed nothing"
    assert 25 <= world.clock.now() <= 26


def test_default_of_stop_timeout_comes_from_the_platform():
    world = World(running(stop_seconds=None))
    assert "waited 120 s" in carry_out(world, ask("web", "stopped")).msg


def test_graceful_then_force_kills_the_vm_after_stop_timeout_and_adds_a_note():
    world = World(running(stop_seconds=None))
    outcome = carry_out(world, ask("web", "stopped", stop_mode="graceful_then_force", stop_timeout=25))
    assert (outcome.failed, world.verbs()) == (False, ["stop", "stop", "stop", "kill"])
    assert outcome.vms[0]["steps"][0]["note"] == "forced after 25 s: the guest did not stop by itself"


@pytest.mark.parametrize("stop_mode", [None, "graceful", "graceful_then_force"])
def test_guest_that_fails_while_it_stops_is_powered_off_at_once(stop_mode):
    """A crashed guest that the platform preserves (on_crash: preserve) never stops on its own."""
    world = World(running(stop_seconds=None))
    send_stop = world._stop

    def crash(vm, step):
        send_stop(vm, step)
        world.machine("web").power, world.machine("web").reason = "failed", "panicked"

    world._stop = crash
    outcome = carry_out(world, ask("web", "stopped", stop_mode=stop_mode, stop_timeout=100))
    assert (outcome.failed, outcome.vms[0]["state"]) == (False, "stopped"), outcome.msg
    assert (world.verbs(), world.clock.now() < 10) == (["stop", "kill"], True)
    assert "web: the guest crashed while it was stopping; see its logs." in outcome.warnings


def test_crash_during_a_stop_gives_a_note_and_a_warning():
    outcome = carry_out(World(running(reason="crashed")), ask("web", "stopped"))
    assert (outcome.failed, outcome.vms[0]["state"]) == (False, "stopped")
    assert outcome.vms[0]["steps"][0]["note"] == "the guest crashed while it was stopping"
    assert "web: the guest crashed while it was stopping; see its logs." in outcome.warnings
    assert not any("crashed" in one for one in carry_out(World(running()), ask("web", "stopped")).warnings)


def test_guest_that_stops_in_time_is_not_killed():
    world = World(running(stop_seconds=20))
    outcome = carry_out(world, ask("web", "stopped", stop_mode="graceful_then_force", stop_timeout=25))
    assert "kill" not in world.verbs()
    assert outcome.vms[0]["steps"][0]["note"] == ""


def test_force_sends_no_stop_request():
    world = World(running(stop_seconds=None))
    assert not carry_out(world, ask("web", "stopped", stop_mode="force")).failed
    assert world.verbs() == ["kill"]


def test_guest_that_stops_just_before_a_repeated_request_is_not_an_error():
    world = World(running(ignored_stops=1))
    send_stop = world._stop

    def press_and_stop_on_its_own(vm, step):
        world.machine("web").power = "stopped" if len(world.calls) == 2 else "running"
        send_stop(vm, step)

    world._stop = press_and_stop_on_its_own
    outcome = carry_out(world, ask("web", "stopped"))
    assert (outcome.failed, world.verbs()) == (False, ["stop", "stop"])


# Busy VMs, races, temporary errors ------------------------------------------------------------------------------------


def test_busy_vm_is_waited_for():
    world = World(Machine("web", "1", busy_until=12), running("db"))
    outcome = carry_out(world, ask("web", "started"), ask("db", "stopped"))
    assert not outcome.failed
    assert [second for second, _verb, _name in world.calls if second < 12] == []


def test_vm_that_stays_busy_is_rejected_after_timeout():
    world = World(Machine("web", "1", busy_until=1000))
    outcome = carry_out(world, ask("web", "started", timeout=30))
    assert outcome.msg.startswith("web: it is still busy (locked) after 30 seconds.")
    assert (world.clock.now(), world.calls) == (30, [])


def test_error_does_not_matter_if_the_vm_is_as_requested():
    world = World(Machine("web", "1"))
    world.inject_errors("start", refusal("Domain is already active"), done=True)
    outcome = carry_out(world, ask("web", "started"))
    assert (outcome.failed, world.machine("web").power) == (False, "running")
    assert (outcome.changed, outcome.diff) == (False, []), "somebody else changed it"


@pytest.mark.parametrize("text", ["try later", "already active"])
def test_start_is_not_sent_twice_before_a_stop(text):
    """The guest of a suspended VM is started, so that it can shut down; a stopped VM does not show that it was."""
    world = World(Machine("web", "1", power="suspended"))
    world.inject_errors("start", refusal(text), done=True)
    outcome = carry_out(world, ask("web", "stopped"))
    assert (outcome.failed, world.verbs(), world.machine("web").power) == (False, ["start", "stop"], "stopped")


def test_error_fails_the_task_if_the_vm_is_not_as_requested():
    world = World(Machine("web", "1"))
    world.inject_errors("start", refusal("no such image"))
    outcome = carry_out(world, ask("web", "started"))
    assert (outcome.failed, outcome.changed) == (True, False)
    assert "no such image" in outcome.msg
    assert outcome.vms[0]["steps"][0]["done"] is False


def test_transient_error_is_retried():
    world = World(Machine("web", "1"))
    world.inject_errors("start", refusal("try later"), refusal("try later"))
    assert not carry_out(world, ask("web", "started")).failed
    assert [(second, verb) for second, verb, _name in world.calls] == [(0, "start"), (1, "start"), (2, "start")]


def test_persistent_transient_error_is_reported_after_timeout():
    world = World(Machine("web", "1"))
    world.inject_errors("start", *[refusal("try later")] * 100)
    outcome = carry_out(world, ask("web", "started", timeout=20))
    assert "try later" in outcome.msg
    assert world.clock.now() == 20


def test_settings_are_sent_again_after_a_transient_error():
    """The power state of the VM does not show whether the settings were changed."""
    world = World(Machine("web", "1", config={"cpus": 1}))
    world.inject_errors("configure", refusal("try later"))
    assert not carry_out(world, Request("web", config={"cpus": 2})).failed
    assert (world.verbs(), world.machine("web").config) == (["configure", "configure"], {"cpus": 2})


def test_step_that_someone_else_did_meanwhile_is_not_retried():
    world = World(Machine("web", "1"))
    world.inject_errors("start", refusal("try later"), done=True)
    assert not carry_out(world, ask("web", "started")).failed
    assert world.verbs() == ["start"]


# Guests that answer ---------------------------------------------------------------------------------------------------


def leases(*rows):
    """Addresses that change: (from second, address, source)."""
    return lambda now: tuple(Address(address, source) for since, address, source in rows if now >= since)


def test_lease_does_not_prove_that_a_guest_runs():
    world = World(running(addresses=leases((0, "10.0.0.9", "lease"), (20, "10.0.0.7", "lease"))))
    probe = answers(world, ("10.0.0.7", 40))
    outcome = carry_out(world, ask("web", "started", wait_for="ssh"), probe=probe)
    assert (outcome.failed, outcome.changed, world.calls) == (False, False, [])
    assert outcome.vms[0]["ssh"] == {"host": "10.0.0.7", "port": 22, "user": None, "scope": "host"}
    assert 40 <= world.clock.now() <= 41
    assert set(probe.asked) == {("10.0.0.9", 22, "ssh"), ("10.0.0.7", 22, "ssh")}


def test_ssh_is_the_address_that_answered_also_after_a_start():
    """An installer and the installed system have different leases, and the first one is not used any more."""
    world = World(Machine("web", "1", addresses=(Address("10.0.0.7", "lease"), Address("10.0.0.9", "lease"))))
    outcome = carry_out(world, ask("web", "started", wait_for="ssh"), probe=answers(world, ("10.0.0.9", 5)))
    assert (outcome.failed, outcome.changed) == (False, True)
    assert outcome.vms[0]["ssh"]["host"] == "10.0.0.9"


def test_timeout_names_the_last_address_and_its_source():
    world = World(running(addresses=leases((0, "10.0.0.9", "lease"), (20, "10.0.0.7", "arp"))))
    outcome = carry_out(world, ask("web", "started", wait_for="ssh", timeout=60), probe=answers(world))
    assert outcome.msg.startswith("web: no ssh within 60 s; last tried: 10.0.0.9:22 (lease), 10.0.0.7:22 (arp).")
    assert world.clock.now() == 60
    assert world.machine("web").power == "running"


def test_timeout_without_an_address_says_so():
    outcome = carry_out(World(running()), ask("web", "started", wait_for="address", timeout=5), probe=None)
    assert "web: no address within 5 s; last tried: no address was found." in outcome.msg


def test_new_vm_is_kept_if_its_guest_does_not_answer():
    world = World()
    request = Request(
        "new", state="started", creation={"image": {"source": "/i"}}, policy=Policy(wait_for="ssh", timeout=5)
    )
    outcome = carry_out(world, request, probe=answers(world))
    assert (outcome.failed, outcome.changed) == (True, True)
    assert world.machine("new").power == "running"


def test_agent_proves_an_address_but_not_ssh():
    world = World(running(addresses=(Address("10.0.0.9", "agent"),)))
    assert not carry_out(world, ask("web", "started", wait_for="address"), probe=answers(world)).failed
    assert carry_out(world, ask("web", "started", wait_for="ssh", timeout=5), probe=answers(world)).failed


@pytest.mark.parametrize("addresses", [(), (Address("10.0.0.9", "agent"),)])
def test_ssh_uses_the_forwarded_port(addresses):
    """The guest's own address may not be reachable from here."""
    world = World(running(addresses=addresses, ssh=FORWARD))
    probe = answers(world, ("127.0.0.1", 0))
    outcome = carry_out(world, ask("web", "started", wait_for="ssh"), probe=probe)
    assert not outcome.failed
    assert probe.asked == [("127.0.0.1", 2222, "ssh")]
    assert outcome.vms[0]["ssh"] == FORWARD


def test_forwarded_port_needs_an_ssh_banner_even_for_wait_for_address():
    world = World(running(ssh=FORWARD))
    probe = answers(world, ("127.0.0.1", 0))
    assert not carry_out(world, ask("web", "started", wait_for="address"), probe=probe).failed
    assert probe.asked == [("127.0.0.1", 2222, "ssh")]


def test_wait_for_address_does_not_change_the_forwarded_ssh():
    world = World(running(addresses=(Address("10.0.0.9", "agent"),), ssh=FORWARD))
    outcome = carry_out(world, ask("web", "started", wait_for="address"), probe=answers(world))
    assert (outcome.failed, outcome.vms[0]["ssh"]) == (False, FORWARD)


@pytest.mark.parametrize("wanted", ["address", "ssh"])
def test_probe_matches_wait_for(wanted):
    world = World(running(addresses=(Address("10.0.0.9", "lease"),)))
    probe = answers(world, ("10.0.0.9", 0))
    assert not carry_out(world, ask("web", "started", wait_for=wanted), probe=probe).failed
    assert probe.asked == [("10.0.0.9", 22, wanted)]


def test_all_vms_share_one_deadline():
    world = World(running("one"), running("two"))
    requests = [ask(name, "started", wait_for="ssh", timeout=30) for name in ("one", "two")]
    outcome = carry_out(world, *requests, probe=answers(world))
    assert (len(outcome.msg.splitlines()), world.clock.now()) == (2, 30)


def slow(world, *hosts):
    """A probe that takes three seconds if there is no answer, like a connection to a silent address."""
    asked = []

    def probe(host, port, what):
        asked.append(host)
        if host not in hosts:
            world.clock.sleep(3)
        return host in hosts

    probe.asked = asked
    return probe


def silent_guests(source="lease"):
    return World(*(running(f"m{n:02}", addresses=(Address(f"10.0.0.{n}", source),)) for n in range(100)))


def wait_requests(world, **policy):
    return [ask(machine.name, "started", **policy) for machine in world.machines]


def test_guests_are_probed_in_parallel():
    world = silent_guests()
    meeting = threading.Barrier(30, timeout=20)  # Passed only if thirty probes run in parallel.

    def probe(host, port, what):
        meeting.wait()
        return False

    del world.machines[30:]
    outcome = carry_out(world, *wait_requests(world, wait_for="ssh", timeout=1), probe=probe)
    assert (world.clock.now(), len(outcome.msg.splitlines())) == (1, 30)
    assert "m09: no ssh within 1 s; last tried: 10.0.0.9:22 (lease)." in outcome.msg


def test_address_from_an_agent_counts_after_the_deadline():
    world = silent_guests("agent")
    world.machine("m00").addresses = (Address("10.0.0.0", "lease"),)
    outcome = carry_out(world, *wait_requests(world, wait_for="address", timeout=2), probe=slow(world))
    assert outcome.msg.splitlines() == [
        "m00: no address within 2 s; last tried: 10.0.0.0:22 (lease)."
        " Check its console and its network, or raise timeout."
    ]


def test_guest_that_answers_is_found_with_timeout_zero():
    world = World(running(addresses=(Address("10.0.0.9", "lease"),)))
    requests = ask("web", "started", wait_for="ssh", timeout=0)
    assert not carry_out(world, requests, probe=slow(world, "10.0.0.9")).failed


def test_wait_ends_if_the_guest_stops():
    world = World(running(off_at=10, reason="crashed"))
    outcome = carry_out(world, ask("web", "started", wait_for="ssh"), probe=answers(world))
    assert outcome.msg.startswith("web: while waiting for its ssh it became stopped (crashed).")
    assert world.clock.now() < 12


def test_failed_vm_is_not_waited_for():
    world = World(running("one", stop_seconds=None), Machine("two", "2"))
    requests = [ask("one", "restarted", wait_for="ssh", stop_timeout=10), ask("two", "started")]
    outcome = carry_out(world, *requests, probe=answers(world))
    assert outcome.msg.startswith("one: after stop it is still running")
    assert len(outcome.msg.splitlines()) == 1


class StartedByAnother(World):
    """Another task is starting the VM when this task starts it."""

    def _start(self, vm, step):
        machine = self._existing(vm)
        machine.power, machine.busy_until = "running", self.clock.now() + 3
        raise refusal("already active")


def test_state_is_checked_when_another_operation_has_ended():
    world = StartedByAnother(Machine("web", "1"))
    outcome = carry_out(world, ask("web", "started"))
    assert not outcome.failed, outcome.msg
    assert world.clock.now() >= 3


def test_other_operation_that_does_not_end_is_an_error_after_timeout():
    world = StartedByAnother(Machine("web", "1"))
    outcome = carry_out(world, ask("web", "started", timeout=2))
    assert outcome.failed
    assert "already active" in outcome.msg


@pytest.mark.parametrize("done", [True, False])
def test_result_of_a_killed_command_is_read_from_the_vm(done):
    world = World(Machine("web", "1"))
    world.inject_errors("start", Timeout("it had not ended after 600 seconds", waited=600), done=done)
    outcome = carry_out(world, ask("web", "started"))
    assert (outcome.failed, outcome.vms[0]["state"]) == ((False, "running") if done else (True, "stopped"))


def _present(config, condition):
    return Request("web", state="present", config=config, policy=Policy(wait_for=condition))


@pytest.mark.parametrize("cpus", [{}, {"cpus": 4}], ids=["unchanged", "changed"])
def test_present_waits_for_a_vm_that_runs(cpus):
    world = World(running(addresses=leases((0, "10.0.0.7", "lease"))))
    probe = answers(world, ("10.0.0.7", 5))
    outcome = carry_out(world, _present(cpus, "ssh"), probe=probe)
    assert (outcome.failed, [text for text in outcome.warnings if "wait_for" in text]) == (False, [])
    assert world.clock.now() >= 5
    assert carry_out(world, ask("web", "present", wait_for="ssh", timeout=5), probe=answers(world)).failed


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("cpus", [{}, {"cpus": 4}], ids=["unchanged", "changed"])
@pytest.mark.parametrize("condition", ["ssh", "cloud_init"])
def test_present_warns_of_a_vm_that_does_not_run_and_leaves_it_off(check, cpus, condition):
    world = World(Machine("web", "1"))
    probe = answers(world)
    request = _present(cpus, condition)
    outcome = carry_out(world, request, check=check, probe=probe)
    assert (outcome.failed, outcome.changed, probe.asked) == (False, bool(cpus), [])
    assert [text for text in outcome.warnings if "wait_for" in text] == [
        "web: wait_for: the VM is stopped, so the task does not wait. Set state: started to start it."
    ]
