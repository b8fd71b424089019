# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflows of docs/examples/ci, each command as a runner does it, on a Debian with what hosted runners have.

Runs in a world with the files of a Debian without libvirt: scripts/test.sh run --root bare-debian13 THIS_FILE.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from collection_path import CHECKOUT
from install.newcomer import Newcomer, blocks

pytestmark = pytest.mark.skipif("POLYVIRT_PACKAGES" not in os.environ, reason="needs --root bare-debian13")

EXAMPLES = CHECKOUT / "docs/examples/ci"
GITLAB = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text(encoding="utf-8"))
PAGE, MOLECULE = ((CHECKOUT / "docs" / name).read_text(encoding="utf-8") for name in ("ci.md", "molecule.md"))
IMAGES = Path(os.environ.get("POLYVIRT_TEST_IMAGES", "/nowhere"))
#: A play as a user may have it.
_SITE = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Create a web server",
                "polyvirt.core.vm": {
                    "platform": "proxmox",
                    "name": "web1",
                    "state": "started",
                    "disks": [{"size": "8G"}],
                    "tags": ["web"],
                },
            }
        ],
    }
]


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    found = Newcomer(tmp_path_factory.mktemp("runner"))
    found.go_to(tmp_path_factory.mktemp("first") / "place")
    found.run("apt-get install git python3-venv sudo")
    # Without systemd, the role starts libvirtd below sudo. A process of a world cannot raise the limit of core dumps
    # again, which sudo sets to 0: libvirtd then starts no VM. On a runner, systemd starts it.
    Path("/etc/sudo.conf").write_text("Set disable_coredump false\n", encoding="utf-8")
    Path("/etc/sudoers.d/tests").write_text("Defaults rlimit_core=default\n", encoding="utf-8")
    yield found
    found.vendor.close()


@pytest.fixture
def newcomer(runner, tmp_path):
    runner.go_to(tmp_path / "place")
    return runner


def _github(name, **matrix):
    """The commands of the only job as one script: each step has the variables and paths that earlier steps set."""
    workflow = yaml.safe_load((EXAMPLES / f"github-{name}.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    script = "export RUNNER_TEMP=$(mktemp -d); export GITHUB_ENV=$RUNNER_TEMP/env GITHUB_PATH=$RUNNER_TEMP/path\n"
    for key, value in job.get("env", {}).items():
        one = re.fullmatch(r"\$\{\{ matrix\.(\w+) \}\}", str(value))
        if one or "${{" not in str(value):
            script += f"export {key}='{matrix[one[1]] if one else value}'\n"
    for step in job["steps"]:
        if "run" in step:
            # A step is a shell of its own; nohup keeps what it leaves in the background.
            script += f"bash -e <<'END_OF_STEP'\n{step['run']}\nEND_OF_STEP\n"
            script += 'touch "$GITHUB_ENV" "$GITHUB_PATH"; set -a; . "$GITHUB_ENV"; set +a\n'
            script += 'while read -r folder; do PATH=$folder:$PATH; done < "$GITHUB_PATH"; : > "$GITHUB_PATH"\n'
    return script


def _gitlab(job):
    """The commands of a job, which are lines of one script."""
    variables = {**GITLAB[job].get("variables", {}), **dict.fromkeys(("IMAGE",), "debian-13")}
    return "".join(f"export {key}='{value}'\n" for key, value in variables.items()) + "\n".join(GITLAB[job]["script"])


def _block(document, part):
    (code,) = [code for _language, code in blocks(document) if part in code]
    return code


def _role(newcomer):
    """A repository with a role that creates a file, and with the scenario of the guides."""
    newcomer.publish(IMAGES / "fast-base.qcow2")
    scenario = newcomer.place / "molecule/default"
    scenario.mkdir(parents=True)
    texts = {
        "molecule.yml": _block(MOLECULE, "ansible_playbook: ["),
        "hosts": _block(PAGE, "vm_image="),
        "create.yml": "- import_playbook: polyvirt.core.molecule_create\n",
        "destroy.yml": "- import_playbook: polyvirt.core.molecule_destroy\n",
        "prepare.yml": "- import_playbook: polyvirt.core.molecule_reset\n",
    }
    for name, text in texts.items():
        (scenario / name).write_text(text, encoding="utf-8")
    task = {"name": "Create a file", "ansible.builtin.copy": {"content": "1\n", "dest": "/etc/trace", "mode": "0644"}}
    check = {"name": "Read it", "ansible.builtin.command": "cat /etc/trace", "changed_when": False}
    for name, one in (("converge", task), ("verify", check)):
        play = {"name": name, "hosts": "instance", "gather_facts": False, "tasks": [one]}
        newcomer.write(f"molecule/default/{name}.yml", [play])
    # A guest that starts without KVM and without the Internet.
    kernel = {
        "os/kernel": str(IMAGES / "vmlinuz"),
        "os/initrd": str(IMAGES / "initrd.img"),
        "os/cmdline": "console=ttyS0 net.ifnames=0 quiet tsc=reliable no_timer_check mitigations=off",
    }
    variables = {
        "polyvirt_mirrors": newcomer.vendor.mirrors,
        "vm_module_options": {"virt_type": "qemu", "native": kernel},
        "vm_cpus": 1,
        "vm_memory": "256M",
        "vm_user": "root",
        "vm_timeout": 900,
    }
    newcomer.write("molecule/default/host_vars/instance.yml", variables)
    newcomer.write("molecule/default/group_vars/all.yml", {"polyvirt_mirrors": newcomer.vendor.mirrors})
    (newcomer.place / "ci").mkdir()
    (newcomer.place / "ci/host.yml").write_text(_block(PAGE, "ci/host.yml"), encoding="utf-8")


def _drifting(newcomer):
    """An inventory that describes a VM which the simulated cluster does not have."""
    described = {"vm_platform": "proxmox", "vm_machines": [{"name": "web1", "memory": "4G", "disks": [{"size": "8G"}]}]}
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    newcomer.write("hosts.yml", {"hypervisors": {"hosts": {"pve1": {**described, **local}}}})


def test_page_has_the_playbook_of_the_examples():
    assert yaml.safe_load(_block(PAGE, "ci/host.yml")) == yaml.safe_load((EXAMPLES / "host.yml").read_text())


@pytest.mark.parametrize(
    "script", [_github("molecule", image="debian-13"), _gitlab("molecule")], ids=["github", "gitlab"]
)
def test_molecule(newcomer, script):
    _role(newcomer)
    output = newcomer.run(script)
    assert "Create a file" in output
    assert re.search(r"instance +: ok=\d+ +changed=0", output), output


@pytest.mark.parametrize("script", [_github("proxmox"), _gitlab("proxmox")], ids=["github", "gitlab"])
def test_proxmox(newcomer, script):
    newcomer.write("site.yml", _SITE)
    output = newcomer.run(script)
    assert [bool(int(count)) for count in re.findall(r"changed=(\d+)", output)] == [True, True, False], output


def test_proxmox_job_fails_if_the_second_run_changes_something(newcomer):
    (play,) = _SITE
    always = {"name": "Always", "ansible.builtin.command": "true"}
    newcomer.write("site.yml", [{**play, "tasks": [*play["tasks"], always]}])
    for script in (_github("proxmox"), _gitlab("proxmox")):
        with pytest.raises(AssertionError, match="Always"):
            newcomer.run(script)


@pytest.mark.parametrize("script", [_github("proxmox"), _gitlab("proxmox")], ids=["github", "gitlab"])
def test_proxmox_job_ends_with_the_log_of_a_simulator_that_does_not_start(newcomer, script):
    newcomer.write("site.yml", _SITE)
    with pytest.raises(AssertionError, match=r"No such file or directory.*nothing\.yml"):
        newcomer.run(script.replace("--empty", "--fixture nothing.yml"))


@pytest.mark.parametrize("script", [_github("drift"), _gitlab("drift")], ids=["github", "gitlab"])
def test_drift(newcomer, script):
    """The job fails, and its report names the VM; the cluster is a simulated one."""
    _drifting(newcomer)
    simulator = _gitlab("proxmox").partition("export PYTHONPATH")
    started = "export PYTHONPATH" + simulator[2].partition(". ./simulator.env")[0]
    before = "python3 -m venv before\nPATH=$PWD/before/bin:$PATH\n(pip install aiohttp cryptography"
    before += f"; pip install ansible-core; ansible-galaxy collection install polyvirt.core) >/dev/null\n{started}\n"
    with pytest.raises(AssertionError, match="1 VMs differ"):
        newcomer.run(f"{before}\n. ./simulator.env\n{script}")
    report = ElementTree.parse(newcomer.place / "reports/report.xml")
    failed = [case.get("name") for case in report.iter("testcase") if case.find("failure") is not None]
    assert failed == ["web1"]
    assert (newcomer.place / "reports/report.html").exists()
