# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job templates of the patterns, launched as AWX does it: answers of the survey, then a check and a run.

Guests of libvirt's test driver have no SSH server, so the VMs remain stopped.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from suite.awx_runner import inventory_of
from suite.awx_templates import Templates

pytestmark = pytest.mark.full

WEB, DB = "pvc-awx-web", "pvc-awx-db"
_ONLY = pytest.mark.parametrize("platform_name", ["libvirt_test"], indirect=True, scope="session")


def _reach(platform):
    """The variables of the hypervisor: how the platform is reached, and the smallest VM."""
    return {
        "ansible_connection": "local",
        "ansible_become": False,
        "vm_module_options": {**platform.options("vm"), **platform.creation},
        "vm_tags": ["of the inventory"],
    }


def _around(platform, shim):
    return shim.environment(programs=platform.programs)


@pytest.fixture
def templates(platform, shim):
    """The templates of create_vm, with these variables: ``templates(**variables).launch``."""
    platform.clean()
    shim.forget()
    inventory = inventory_of({"kvm1": _reach(platform)})
    with platform.hurried():
        yield lambda **variables: Templates("create_vm", inventory, _around(platform, shim), template=variables)


@pytest.fixture
def launch(templates):
    return templates().launch


_ANSWERS = {"vm_name": WEB, "provision_hypervisor": "kvm1", "vm_platform": "libvirt", "vm_state": "stopped"}


def _of(job):
    """What the module of the platform reported in a job."""
    results = [one for one in job.results("polyvirt.core.vm") if "vms" in one]
    return [vm for one in results for vm in one["vms"]]


@_ONLY
def test_check_of_a_template_shows_what_its_run_does(launch, platform):
    answers = {**_ANSWERS, "vm_description": "{{ not a template }}", "create_vm_tags": "awx\n web \n\n"}
    checked = launch("create_vm.yml", check=True, touched=True, **answers)
    assert (checked.rc, checked.changed > 0) == (0, True), checked.stdout
    assert platform.truth([WEB]) == {WEB: None}
    done = launch("create_vm.yml", touched=True, **answers)
    assert (done.rc, done.changed) == (0, checked.changed), done.stdout
    assert platform.truth([WEB])[WEB]["power"] == STOPPED
    ((planned,), (created,)) = _of(checked), _of(done)
    assert [one["verb"] for one in planned["steps"]] == [one["verb"] for one in created["steps"]]
    assert created["description"] == "{{ not a template }}"
    assert sorted(created["tags"]) == ["awx", "web"]


@_ONLY
@pytest.mark.full
def test_answers_that_were_not_given_change_nothing(launch, platform):
    created = launch("create_vm.yml", **_ANSWERS)
    assert (created.rc, _of(created)[0]["tags"]) == (0, ["of the inventory"]), created.stdout
    again = launch("create_vm.yml", touched=True, **_ANSWERS)
    assert (again.rc, again.changed) == (0, 0), again.stdout
    changed = launch("create_vm.yml", touched=True, vm_autostart="true", **_ANSWERS)
    assert (changed.rc, changed.changed, _of(changed)[0]["autostart"]) == (0, 1, True), changed.stdout
    named = {key: value for key, value in _ANSWERS.items() if key != "vm_state"}
    gone = launch("remove_vm.yml", touched=True, **named)
    assert (gone.rc, platform.truth([WEB])) == (0, {WEB: None}), gone.stdout


@_ONLY
@pytest.mark.parametrize(
    ("playbook", "answers", "words"),
    [
        ("remove_vm.yml", {}, f"{WEB}: the template permits only VMs with"),
        ("create_vm.yml", {"vm_cpus": 2}, f"{WEB}: the template permits only VMs with"),
        ("create_vm.yml", {"vm_name": DB, "vm_clone": WEB}, f"{WEB}: the template permits only VMs with"),
        ("create_vm.yml", {"vm_name": DB, "vm_image": "/srv/secret.qcow2"}, "vm_image is /srv/secret.qcow2"),
        ("create_vm.yml", {"vm_name": DB, "vm_image": "https://192.0.2.1/x"}, "only the names of images and its"),
    ],
    ids=str,
)
def test_answer_names_nothing_that_the_template_does_not_permit(templates, platform, playbook, answers, words):
    assert templates().launch("create_vm.yml", **_ANSWERS, vm_owner="me").rc == 0
    before = platform.truth([WEB, DB])
    limited = templates(create_vm_permitted={"owner": "ops", "tags": ["of the inventory"]})
    named = {"vm_name": WEB, "provision_hypervisor": "kvm1", "vm_platform": "libvirt", **answers}
    for check in (True, False):
        job = limited.launch(playbook, check=check, touched=True, **named)
        assert (job.rc, words in job.stdout.replace("\n", " ")) == (2, True), job.stdout
    assert platform.truth([WEB, DB]) == before


@_ONLY
def test_answer_may_name_what_the_template_permits(templates, platform):
    limited = templates(create_vm_permitted={"owner": "me", "tags": ["of the inventory"]})
    assert limited.launch("create_vm.yml", **_ANSWERS, vm_owner="me").rc == 0
    assert "which VMs may be cloned" in templates().launch("create_vm.yml", **{**_ANSWERS, "vm_clone": DB}).stdout
    cloned = limited.launch("create_vm.yml", **{**_ANSWERS, "vm_name": DB, "vm_clone": WEB}, vm_owner="me")
    assert (cloned.rc, cloned.changed) == (0, 1), cloned.stdout
    named = {"provision_hypervisor": "kvm1", "vm_platform": "libvirt"}
    assert [limited.launch("remove_vm.yml", vm_name=name, **named).rc for name in (WEB, DB)] == [0, 0]
    assert platform.truth([WEB, DB]) == {WEB: None, DB: None}


@_ONLY
@pytest.mark.deep("tests/suite/test_provision_platforms.py; the template only passes its answers on")
def test_group_of_the_inventory_is_created_and_removed(platform, shim):
    platform.clean()
    shim.forget()
    vms = {name: {"provision_hypervisor": "kvm1", "vm_state": "stopped", **_reach(platform)} for name in (WEB, DB)}
    inventory = inventory_of({"kvm1": _reach(platform), **vms}, web=[WEB, DB])
    launch = Templates("provision_group", inventory, _around(platform, shim)).launch
    with platform.hurried():
        checked = launch("provision_group.yml", check=True, touched=True, provision_group="web")
        assert (checked.rc, platform.truth([WEB, DB])) == (0, {WEB: None, DB: None}), checked.stdout
        done = launch("provision_group.yml", touched=True, provision_group="web")
        assert (done.rc, [vm["power"] for vm in platform.truth([WEB, DB]).values()]) == (0, [STOPPED] * 2), done.stdout
        again = launch("provision_group.yml", touched=True, provision_group="web")
        assert (again.rc, again.changed) == (0, 0), again.stdout
        gone = launch("remove_group.yml", touched=True, provision_group="web")
        assert (gone.rc, platform.truth([WEB, DB])) == (0, {WEB: None, DB: None}), gone.stdout


class Receiver:
    """A web server that keeps what is sent to it by PUT: the files of jobs are gone when a job has ended."""

    def __init__(self):
        self.files = {}

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(handler):  # noqa: N805 - the name is that of the request
                self._put(handler)

            def log_message(self, *_words):
                """Nothing: the output is that of the test."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/drift"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def _put(self, request):
        self.files[request.path] = request.rfile.read(int(request.headers["Content-Length"])).decode("utf-8")
        request.send_response(201)
        request.end_headers()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@_ONLY
@pytest.mark.full
def test_receiver_has_the_report_of_a_job_without_files(platform, shim, tmp_path):
    platform.clean()
    shim.forget()
    reach = {**_reach(platform), "vm_platform": "libvirt", "vm_machines": [{"name": WEB, "state": "stopped"}]}
    reach["vm_machines"][0].update(platform.creation)
    silent = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_connection": "ssh", "vm_platform": "libvirt"}
    silent["vm_machines"] = [{"name": DB, "state": "started"}]
    inventory = inventory_of(
        {"kvm1": reach, "kvm2": silent, "www": {"ansible_connection": "local"}}, kvm=["kvm1", "kvm2"]
    )
    copies = tmp_path / "copies"
    copies.mkdir()
    receiver = Receiver()
    try:
        sent = {"drift_report_url": receiver.url}
        copied = {"drift_report_copy_host": "www", "drift_report_copy_directory": str(copies)}
        around = _around(platform, shim)
        sending, copying = (
            Templates("drift_report", inventory, around, template=one).launch for one in (sent, {**sent, **copied})
        )
        answers = {"drift_report_hosts": "kvm"}
        with platform.hurried():
            job = copying("drift_report.yml", check=True, touched=True, **answers)
            failing = sending("drift_report.yml", **answers, drift_report_fail="true")
    finally:
        receiver.close()
    assert (job.rc, failing.rc, platform.truth([WEB])) == (0, 2, {WEB: None}), job.stdout
    assert "could not be checked, 1 VMs differ. The report has been sent." in failing.stdout
    assert sorted(receiver.files) == ["/drift/report.html", "/drift/report.json"]
    assert sorted(path.name for path in copies.iterdir()) == ["report.html", "report.json"]
    report = json.loads(receiver.files["/drift/report.json"])
    assert [(vm["name"], vm["host"], vm["status"], vm["state"]) for vm in report["vms"]] == [
        (WEB, "kvm1", "drift", "absent")
    ]
    assert [(one["host"], one["status"]) for one in report["tasks"]] == [("kvm2", "failed")]
    assert (report["user"], report["check"]) == ("admin", True)
