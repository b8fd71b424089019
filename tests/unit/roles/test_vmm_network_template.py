# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job templates of the pattern vmm_network, run by ansible-runner as AWX does, on the double of an OpenBSD host."""

from __future__ import annotations

import sys
from functools import partial

import pytest

from platforms.vmm.role_play import RoleHost
from suite.awx_runner import inventory_of
from suite.awx_templates import Templates


@pytest.fixture(name="host")
def _host(tmp_path):
    return RoleHost(tmp_path, None).start_vmd()


@pytest.fixture(name="launch")
def _launch(host):
    own = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    inventory = inventory_of({"openbsd": own}, hypervisors=["openbsd"])
    templates = Templates("vmm_network", inventory, host.environment(), template=host.places())
    return partial(templates.launch, touched=True, network_hypervisors="hypervisors")


@pytest.mark.full
def test_mode_of_the_survey_is_set_up_and_removed(host, launch):
    before = host.look()
    checked = launch("vmm_network.yml", check=True, vmm_network_mode="routed")
    assert (checked.rc, checked.changed > 0, host.look() == before) == (0, True, True), checked.stdout
    done = launch("vmm_network.yml", vmm_network_mode="routed")
    assert (done.rc, done.changed) == (0, checked.changed), done.stdout
    assert "inet 10.50.0.1 255.255.255.0" in host.files()["hostname.vether0"][0]
    again = launch("vmm_network.yml", vmm_network_mode="routed")
    assert (again.rc, again.changed) == (0, 0), again.stdout
    gone = launch("remove_vmm_network.yml")
    assert (gone.rc, host.look() == before) == (0, True), gone.stdout


@pytest.mark.deep("test_mode_of_the_survey_is_set_up_and_removed; the answers are passed on alike")
def test_answers_are_the_options_of_the_role(host, launch):
    wrong = launch("vmm_network.yml", vmm_network_mode="routed", vmm_network_subnet="10.50.0.0/33")
    assert (wrong.rc != 0, "vmm_network_subnet is '10.50.0.0/33'" in wrong.stdout) == (True, True), wrong.stdout
    bridged = launch("vmm_network.yml", vmm_network_mode="bridged", vmm_network_port="em0")
    assert (bridged.rc, "add em0" in host.files()["hostname.bridge0"][0]) == (0, True), bridged.stdout
    routed = launch(
        "vmm_network.yml", vmm_network_mode="routed", vmm_network_subnet="10.60.0.0/24", vmm_network_dhcp="false"
    )
    assert (routed.rc, "inet 10.60.0.1" in host.files()["hostname.vether0"][0]) == (0, True), routed.stdout
    assert "dhcpd.conf" not in host.files()
