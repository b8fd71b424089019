# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparisons; run by run.sh. Prints a table, and writes all figures to the cache."""

from __future__ import annotations

import json
import os
import sys

import cluster
import contestants
import machines_of_vagrant
import reading
import roles
import stored_images
from measure import Bench, interleaved, ratios, summary

import guests
from collection_path import cache

PING_ROUNDS = 11
LOOP_ROUNDS = 9
MOST_PING_RATIO = {"in process": 0.9, "shipped": 1.25}
LEAST_SPEEDUP = {100: 20}
MOST_VIRSH = 2


def against_ping(bench):
    """One task that changes nothing on one machine, in both ways of docs/architecture.md, against the smallest task."""
    task = contestants.virsh_vm(contestants.write_node(bench.folder / "node-1.xml", 1), 1)
    playbooks = {
        "in process": contestants.write_playbook(bench.folder / "one-in-process.yml", task, in_process=True),
        "shipped": contestants.write_playbook(bench.folder / "one.yml", task),
        "ping": contestants.write_playbook(bench.folder / "ping.yml", contestants.ping()),
    }
    costs = interleaved(bench, playbooks, PING_ROUNDS)
    found = {way: ratios(costs[way], costs["ping"]) for way in MOST_PING_RATIO}
    return {
        **_figures(bench, playbooks, costs, found),
        "met": {
            f"{way}: at most {most} times the CPU of ping": found[way]["cpu"]["median"] <= most
            for way, most in MOST_PING_RATIO.items()
        },
    }


def against_loop(bench, count):
    """One task over ``count`` machines, all fields compared, against a loop that compares the power."""
    uri = contestants.write_node(bench.folder / f"node-{count}.xml", count)
    playbooks = {
        "virsh_vm": contestants.write_playbook(
            bench.folder / f"{count}.yml", contestants.virsh_vm(uri, count), in_process=True
        ),
        "virt loop": contestants.write_playbook(bench.folder / f"loop-{count}.yml", contestants.virt_loop(uri, count)),
    }
    costs = interleaved(bench, playbooks, LOOP_ROUNDS)
    ratio = ratios(costs["virt loop"], costs["virsh_vm"])
    found = _figures(bench, playbooks, costs, {"ratio": ratio})
    met = {f"at most {MOST_VIRSH} virsh": found["processes"]["virsh_vm"]["virsh"] <= MOST_VIRSH}
    if count in LEAST_SPEEDUP:
        least = LEAST_SPEEDUP[count]
        met[f"at least {least} times faster"] = ratio["wall"]["median"] >= least
    return {**found, "met": met}


def _figures(bench, playbooks, costs, ratio_of):
    return {
        "rounds": len(next(iter(costs.values()))),
        "load": os.getloadavg()[0],
        "processes": {name: bench.processes(playbook) for name, playbook in playbooks.items()},
        "seconds": summary(costs),
        "ratios": ratio_of,
    }


COMPARISONS = {
    "ping": against_ping,
    "20": lambda bench: against_loop(bench, 20),
    "100": lambda bench: against_loop(bench, 100),
    "reading": reading.against_inventory,
    "vagrant": machines_of_vagrant.against_molecule,
    "cluster-20": lambda bench: cluster.against_loop(bench, 20),
    "cluster-200": lambda bench: cluster.against_loop(bench, 200),
    "guests": guests.against_raw,
    "roles": roles.against_limit,
    "images": stored_images.against_path,
}


#: Comparisons of tests of the suite, which have other figures.
OWN_TABLES = {"roles": roles.table, "images": stored_images.table}
TITLES = {
    "ping": "1 machine, against ping",
    "cluster-20": "20 machines on three nodes of Proxmox VE, against a loop",
    "cluster-200": "200 machines on three nodes of Proxmox VE, against a loop",
    "guests": f"{guests.GUESTS} guests at once, against raw",
    "reading": f"{reading.MACHINES} machines of VirtualBox ({{virtualbox}}) read, without Ansible itself",
    "vagrant": f"{machines_of_vagrant.MACHINES} machines of Vagrant (double), against molecule-plugins",
}
#: What is counted beside Python.
TOOLS = {"guests": "ssh", "reading": "VBoxManage", "vagrant": "vagrant", "cluster": "requests"}


def table(word, found):
    title = TITLES.get(word, f"{word} machines, against a loop").format(**found)
    tool = TOOLS.get(word.partition("-")[0], "virsh")
    yield f"\n{title} ({found['rounds']} rounds, load {found['load']:.1f})"
    yield f"  {'':16} {'python3':>8} {tool:>10} {'CPU min':>8} {'median':>7} {'wall min':>9} {'median':>7}"
    for name, seconds in found["seconds"].items():
        processes, cpu, wall = found["processes"][name], seconds["cpu"], seconds["wall"]
        yield (
            f"  {name:16} {processes['python3']:8} {processes[tool]:10}"
            f" {cpu['min']:8.2f} {cpu['median']:7.2f} {wall['min']:9.2f} {wall['median']:7.2f}"
        )
    for name, ratio in found["ratios"].items():
        cpu, wall = ratio["cpu"], ratio["wall"]
        yield f"  {name:36} {cpu['min']:8.2f} {cpu['median']:7.2f} {wall['min']:9.2f} {wall['median']:7.2f}"
    for target, is_met in found["met"].items():
        yield f"  {'met   ' if is_met else 'MISSED'} {target}"


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
        lines = OWN_TABLES[word](found) if word in OWN_TABLES else table(word, found)
        print("\n".join([*lines, f"  all figures: {path}"]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
