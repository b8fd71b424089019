# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole modules on the simulated cluster: generated pairs of VM and task, and secrets, which are never visible."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, seed, settings

from platforms.proxmox.modules import Modules
from simulators.proxmox import worlds
from simulators.proxmox.access import Account
from simulators.proxmox.engine import DrivenClock
from simulators.proxmox.server import Server
from suite import belts
from suite.by_ansible import ansible_playbook
from unit.module_utils._drivers.proxmox.pairs import ASKED, machines, options_of, world_with

pytestmark = pytest.mark.full

#: The number of generated pairs for whole modules; many more run in process (unit belt).
PAIRS = int(os.environ.get("POLYVIRT_PLAYED", "30"))
PASSWORD, CLOUDINIT_PASSWORD = "a-password-of-the-api", "a-password-of-the-guest"
SECRETS = (PASSWORD, CLOUDINIT_PASSWORD, worlds.TOKEN_SECRET)


def _play(folder, server, tasks, *words, **variables):
    """(output of ansible-playbook, {label: result}); every task runs, even after one that failed."""
    results = folder / "results.json"
    listed = [{**_task(task, options), "register": f"result_{number}"} for number, (task, options) in enumerate(tasks)]
    pairs = ", ".join(f"'{label}': result_{number}" for number, (label, _options) in enumerate(tasks))
    listed.append({"ansible.builtin.copy": {"content": f"{{{{ {{ {pairs} }} | to_json }}}}", "dest": str(results)}})
    play = {"hosts": "localhost", "gather_facts": False, "tasks": listed}
    environment = {**_environment(server), **variables}
    output = ansible_playbook(folder, play, ["-i", "localhost,", *words], environment)
    return output, json.loads(results.read_text(encoding="utf-8"))


def _task(label, options):
    check = options.pop("check", False)
    return {
        "name": label,
        "polyvirt.core.proxmox_vm": options,
        "check_mode": check,
        "diff": True,
        "ignore_errors": True,
    }


def _environment(server):
    return {
        "PROXMOX_HOST": "localhost",
        "PROXMOX_PORT": str(server.port),
        "PROXMOX_USER": "root@pam",
        "PROXMOX_CA_PATH": str(server.authority),
    }


@seed(belts.seed())
@settings(max_examples=PAIRS, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(machines(), ASKED)
def test_check_mode_predicts_the_real_run(machine, asked):
    world, options = world_with(machine, clock=DrivenClock()), options_of(asked)
    again = {**options, "state": "started" if options["state"] == "restarted" else options["state"]}
    with Server(world, tick=1) as server, TemporaryDirectory() as folder:
        modules = Modules(server, folder)
        check, real, repeated = (modules.ours(check=one is None, **(one or options)) for one in (None, options, again))
    assert "Unexpected" not in real.msg
    for key in ("failed", "changed", "diff", "msg"):
        assert getattr(check, key) == getattr(real, key)
    if not real.failed:
        assert (repeated.failed, repeated.changed) == (False, False), repeated.msg
    assert world.tasks.crashes == []


class _Watch:
    """Collects the command lines of all processes of the host during a test."""

    def __init__(self):
        self.seen, self._ended = set(), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_reason):
        self._ended.set()
        self._thread.join()

    def _look(self):
        while not self._ended.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    self.seen.add((process / "cmdline").read_bytes().decode(errors="replace"))
                except OSError:
                    continue
            time.sleep(0.02)


@pytest.mark.parametrize("outcome", ["goes well", "is refused", "fails half-way"])
def test_no_secret_is_shown(tmp_path, outcome):
    world = worlds.with_cases(DrivenClock())
    world.access.accounts["root@pam"] = Account(PASSWORD, tokens=world.access.accounts["root@pam"].tokens)
    if outcome == "fails half-way":
        world.faults.task("qmcreate", "no space left on device", step=1)
    options = {
        "name": ["web3"],
        "node": "pve9" if outcome == "is refused" else "pve1",
        "disks": [{"size": "1G"}],
        "cloud_init": {"user": "me", "password": CLOUDINIT_PASSWORD},
        "state": "started",
    }
    with Server(world, tick=1) as server, _Watch() as watch:
        tasks = [
            ("by environment", dict(options)),
            ("by options", {**options, "api_password": PASSWORD}),
            ("by token", {**options, "api_token_id": "test", "api_token_secret": worlds.TOKEN_SECRET}),
            ("wrong", {**options, "api_token_id": "test", "api_token_secret": f"{worlds.TOKEN_SECRET}0"}),
        ]
        output, results = _play(tmp_path, server, tasks, "-vvv", PROXMOX_PASSWORD=PASSWORD)
    assert [results[label]["failed"] for label, _options in tasks][1:3] == [outcome == "is refused"] * 2
    assert results["wrong"]["failed"]
    assert f"{tmp_path}/playbook.json" in "".join(watch.seen)
    for secret in SECRETS:
        assert secret not in output
        assert secret not in json.dumps(results)
        assert not [line for line in watch.seen if secret in line]


def test_documents_of_cloud_init_are_a_seed_iso_as_long_as_the_vm_exists(tmp_path):
    world = worlds.with_cases(DrivenClock())
    world.access.accounts["root@pam"] = Account(PASSWORD, tokens=world.access.accounts["root@pam"].tokens)
    user_data = {"packages": ["nginx"], "chpasswd": {"users": [{"name": "a", "password": CLOUDINIT_PASSWORD}]}}
    options = {
        "name": ["web1.example.com"],
        "clone": {"source": "tmpl"},
        "cloud_init": {"user": "me", "user_data": user_data},
        "state": "started",
    }
    other = {**options, "cloud_init": {**options["cloud_init"], "user": "you"}}
    with Server(world, tick=1) as server:
        tasks = [
            ("foreseen", {**options, "check": True}),
            ("created", dict(options)),
            ("again", dict(options)),
            ("another user", other),
        ]
        output, results = _play(tmp_path, server, tasks, PROXMOX_PASSWORD=PASSWORD)
        seeds = _seeds_of(world)
        _output, ended = _play(
            tmp_path, server, [("deleted", {"name": options["name"], "state": "absent"})], PROXMOX_PASSWORD=PASSWORD
        )
    assert [(results[one]["failed"], results[one]["changed"]) for one in results] == [
        (False, True), (False, True), (False, False), (False, False),
    ]  # fmt: skip
    assert results["foreseen"]["diff"] == results["created"]["diff"]
    assert [text for text in results["another user"]["warnings"] if "cloud_init: user:" in text]
    assert not [text for text in results["again"].get("warnings", ()) if "cloud_init" in text]
    assert CLOUDINIT_PASSWORD not in output and CLOUDINIT_PASSWORD not in json.dumps(results)
    assert len(seeds) == 1
    assert ended["deleted"]["changed"] and _seeds_of(world) == []


def _seeds_of(world):
    return [name for one in world.storages.by_id.values() for _node, name in one.volumes if "polyvirt-seed" in name]
