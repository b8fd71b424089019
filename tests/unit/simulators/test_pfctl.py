# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of pfctl keeps rules and anchors as the kernel of OpenBSD does."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from platforms.vmm.double import pf

MAIN = """\
pass
anchor "polyvirt_vmm"
load anchor "polyvirt_vmm" from "/etc/pf.polyvirt_vmm.conf"
"""
ANCHOR = "match out on egress inet from 10.50.0.0/24 to any nat-to (egress:0)\npass in on vether0\n"
NAT = "match out on egress inet from 10.50.0.0/24 to any nat-to (egress:0) round-robin"


class Host:
    def __init__(self, folder):
        self.folder = folder
        (folder / "root" / "etc").mkdir(parents=True)
        self.write("pf.conf", MAIN)
        self.write("pf.polyvirt_vmm.conf", ANCHOR)

    def write(self, name, text):
        (self.folder / "root" / "etc" / name).write_text(text, encoding="utf-8")

    def set(self, **values):
        file = self.folder / "state.json"
        state = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        file.write_text(json.dumps({**state, **values}), encoding="utf-8")

    def pfctl(self, *argv):
        return pf.run(self.folder, argv, {})


@pytest.fixture(name="host")
def _host(tmp_path):
    return Host(tmp_path)


def test_loading_the_main_file_loads_its_anchors(host):
    assert host.pfctl("-f", "/etc/pf.conf") == (0, "", "")
    assert host.pfctl("-sr") == (0, 'pass all flags S/SA\nanchor "polyvirt_vmm" all\n', "")
    assert host.pfctl("-a", "polyvirt_vmm", "-s", "rules") == (0, f"{NAT}\npass in on vether0 all flags S/SA\n", "")
    assert host.pfctl("-sA") == (0, "  polyvirt_vmm\n", "")


def test_an_unknown_anchor_is_no_failure(host):
    assert host.pfctl("-a", "nosuch", "-sr") == (0, "", "pfctl: Anchor does not exist\n")


def test_a_dry_run_is_silent_and_changes_nothing(host):
    assert host.pfctl("-nf", "/etc/pf.conf") == (0, "", "")
    assert host.pfctl("-sr") == (0, "", "")


def test_an_error_leaves_the_old_rules(host):
    host.pfctl("-f", "/etc/pf.conf")
    host.write("pf.conf", "nat on em0 from any to any -> (em0)\n")
    error = "/etc/pf.conf:1: syntax error\n"
    assert host.pfctl("-nf", "/etc/pf.conf") == (1, "", error)
    summary = "pfctl: Syntax error in config file: pf rules not loaded\n"
    assert host.pfctl("-f", "/etc/pf.conf") == (1, "", error + summary)
    assert 'anchor "polyvirt_vmm"' in host.pfctl("-sr")[1]


def test_an_error_in_the_file_of_an_anchor_leaves_all_old_rules(host):
    host.pfctl("-f", "/etc/pf.conf")
    host.write("pf.conf", MAIN.replace("pass", "block"))
    host.write("pf.polyvirt_vmm.conf", "pass in on\n")
    code, _output, errors = host.pfctl("-f", "/etc/pf.conf")
    assert (code, errors.splitlines()[-1]) == (1, "pfctl: load anchors")
    assert host.pfctl("-sr")[1].startswith("pass all")


def test_an_anchor_is_loaded_and_cleared_alone(host):
    host.write("pf.conf", 'pass\nanchor "polyvirt_vmm"\n')
    host.pfctl("-f", "/etc/pf.conf")
    assert host.pfctl("-a", "polyvirt_vmm", "-f", "/etc/pf.polyvirt_vmm.conf") == (0, "", "")
    assert NAT in host.pfctl("-a", "polyvirt_vmm", "-sr")[1]
    assert host.pfctl("-a", "polyvirt_vmm", "-F", "rules") == (0, "", "rules cleared\n")
    assert host.pfctl("-a", "polyvirt_vmm", "-sr") == (0, "", "")
    assert host.pfctl("-sr")[1].startswith("pass all")


def test_an_anchor_outlives_a_main_file_without_it(host):
    host.pfctl("-f", "/etc/pf.conf")
    host.write("pf.conf", "pass\n")
    host.pfctl("-f", "/etc/pf.conf")
    assert host.pfctl("-sr") == (0, "pass all flags S/SA\n", "")
    assert NAT in host.pfctl("-a", "polyvirt_vmm", "-sr")[1]
    host.pfctl("-a", "polyvirt_vmm", "-F", "rules")
    assert host.pfctl("-sA") == (0, "", "")


def test_pf_is_enabled_and_disabled_once(host):
    assert host.pfctl("-e") == (1, "", "pfctl: pf already enabled\n")
    assert host.pfctl("-d") == (0, "", "pf disabled\n")
    assert host.pfctl("-d") == (1, "", "pfctl: pf not enabled\n")
    host.set(now=1308)
    first = host.pfctl("-s", "info")[1].splitlines()[0]
    assert first == "Status: Disabled for 0 days 00:21:48             Debug: err"
    assert host.pfctl("-f", "/etc/pf.conf") == (0, "", "")
    assert host.pfctl("-e") == (0, "", "pf enabled\n")


def test_only_root_changes_rules(host):
    host.set(uid=1000)
    assert host.pfctl("-f", "/etc/pf.conf") == (1, "", "pfctl: /dev/pf: Permission denied\n")
    assert host.pfctl("-nf", "/etc/pf.conf") == (0, "", "")


def test_pfctl_has_no_list_of_nat_rules(host):
    code, _output, errors = host.pfctl("-sn")
    assert (code, errors.splitlines()[0]) == (1, "pfctl: Unknown show modifier 'n'")
    assert errors.splitlines()[1].startswith("usage: pfctl ")


def test_addresses_of_interfaces_come_from_the_state(host):
    host.write("pf.conf", "pass in from vether0:network\n")
    assert host.pfctl("-nf", "/etc/pf.conf")[0] == 1
    host.set(interfaces={"vether0": {"inet": [["10.50.0.1", 24]], "groups": ["vether"]}})
    assert host.pfctl("-nvf", "/etc/pf.conf") == (0, "pass in inet from 10.50.0.0/24 to any flags S/SA\n", "")


def test_the_program_reads_a_plain_file_without_a_state(tmp_path):
    program = os.path.join(os.path.dirname(pf.__file__), "..", "bin", "pfctl")
    file = tmp_path / "pf.conf"
    file.write_text("block return\n", encoding="utf-8")
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run([program, "-nvf", file], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "block return all\n", "")
