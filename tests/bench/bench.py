# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparisons; run by run.sh. Prints each goal with the value of today and the limit; all figures are in files."""

from __future__ import annotations

import json
import os
import sys
from typing import NamedTuple

import cluster
import contestants
import counted
from measure import Bench, interleaved, ratios, summary

from collection_path import cache

PING_ROUNDS, LOOP_ROUNDS, PASSWORD_ROUNDS = 11, 9, 5
MANY = 1000


class Goal(NamedTuple):
    """One row: ``value`` is its key in what the comparison ``word`` finds. Less is better, unless ``more`` is."""

    word: str
    value: str
    title: str
    wanted: float
    limit: str
    more: bool = False

    def line(self, found):
        now = found["now"][self.value]
        is_met = now >= self.wanted if self.more else now <= self.wanted
        sign = ">=" if self.more else "<="
        return (
            f"  {'met   ' if is_met else 'MISSED'} {self.title:58} goal {sign} {self.wanted:<5} now {now:<7}"
            f" limit {self.limit}"
        )


GOALS = (
    Goal("ping", "in process", "a task without changes in process / ping", 0.75, "0.68 (set_fact)"),
    Goal("ping", "shipped", "a task without changes, shipped / ping", 1.8, "1.0"),
    Goal("cluster-20", "ratio", "loop of proxmox_kvm / one task, 20 VMs", 12, "16", more=True),
    Goal("cluster-200", "ratio", "loop of proxmox_kvm / one task, 200 VMs", 80, "not known", more=True),
    Goal("20", "ratio", "loop of virt / one task, 20 VMs", 9, "11", more=True),
    Goal("100", "ratio", "loop of virt / one task, 100 VMs", 37, "not known", more=True),
    Goal("passwords", "ratio", f"{MANY} machines with passwords / without", 1.3, "1.0 (linear)"),
    Goal("creation", "processes", "processes of 20 linked VMs of one image", 110, "100 (5 for each VM)"),
    Goal("wrong", "modules", "modules shipped for a wrong parameter", 0, "0"),
)


def against_ping(bench):
    """One task that changes nothing on one VM, in both ways of docs/architecture.md, against the smallest task."""
    task = contestants.virsh_vm(contestants.write_node(bench.folder / "node-1.xml", 1), 1)
    playbooks = {
        "in process": contestants.write_playbook(bench.folder / "one-in-process.yml", task, in_process=True),
        "shipped": contestants.write_playbook(bench.folder / "one.yml", task),
        "ping": contestants.write_playbook(bench.folder / "ping.yml", contestants.ping()),
        "set_fact": contestants.write_playbook(bench.folder / "set-fact.yml", contestants.set_fact()),
    }
    costs = interleaved(bench, playbooks, PING_ROUNDS)
    return _figures(costs, {way: ratios(costs[way], costs["ping"]) for way in ("in process", "shipped", "set_fact")})


def against_loop(bench, count):
    """One task for ``count`` VMs, all fields compared, against a loop that compares the power."""
    uri = contestants.write_node(bench.folder / f"node-{count}.xml", count)
    playbooks = {
        "virsh_vm": contestants.write_playbook(
            bench.folder / f"{count}.yml", contestants.virsh_vm(uri, count), in_process=True
        ),
        "virt loop": contestants.write_playbook(bench.folder / f"loop-{count}.yml", contestants.virt_loop(uri, count)),
    }
    costs = interleaved(bench, playbooks, LOOP_ROUNDS)
    return _figures(costs, {"ratio": ratios(costs["virt loop"], costs["virsh_vm"])})


def against_no_passwords(bench):
    """Many entries of ``machines`` with a password each, against the same without."""
    uri = contestants.write_node(bench.folder / f"node-{MANY}.xml", MANY)
    playbooks = {
        name: contestants.write_playbook(
            bench.folder / f"{name}.yml", contestants.machines(uri, MANY, name == "with"), in_process=True
        )
        for name in ("with", "without")
    }
    costs = interleaved(bench, playbooks, PASSWORD_ROUNDS)
    return _figures(costs, {"ratio": ratios(costs["with"], costs["without"])})


def _figures(costs, found):
    return {
        "rounds": len(next(iter(costs.values()))),
        "load": os.getloadavg()[0],
        "seconds": summary(costs),
        "ratios": found,
        "now": {name: one["cpu"]["median"] for name, one in found.items()},
    }


COMPARISONS = {
    "ping": against_ping,
    "cluster-20": lambda bench: _figures(*cluster.against_loop(bench, 20)),
    "cluster-200": lambda bench: _figures(*cluster.against_loop(bench, 200)),
    "20": lambda bench: against_loop(bench, 20),
    "100": lambda bench: against_loop(bench, 100),
    "passwords": against_no_passwords,
    "creation": counted.creation,
    "wrong": counted.wrong_parameter,
}


def table(word, found):
    yield f"\n{word} ({found['rounds']} rounds, load {found['load']:.1f})"
    if "seconds" in found:
        yield f"  {'':16} {'CPU min':>8} {'median':>7} {'wall min':>9} {'median':>7}"
    for name, one in [*found.get("seconds", {}).items(), *found.get("ratios", {}).items()]:
        cpu, wall = one["cpu"], one["wall"]
        yield f"  {name:16} {cpu['min']:8.2f} {cpu['median']:7.2f} {wall['min']:9.2f} {wall['median']:7.2f}"
    for goal in GOALS:
        if goal.word == word:
            yield goal.line(found)


def main(words):
    unknown = sorted(set(words) - set(COMPARISONS))
    if unknown:
        raise SystemExit(f"There is no comparison '{unknown[0]}'; there are: {', '.join(COMPARISONS)}.")
    folder = cache() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(folder)
    for word in words or COMPARISONS:
        found = COMPARISONS[word](bench)
        path = folder / f"result-{word}.json"
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        print("\n".join([*table(word, found), f"  all figures: {path}"]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
