# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays of the roles vmm_host and vmm_network on the double of an OpenBSD host."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import NamedTuple

from platforms.vmm.double_host import OpenBSD

#: Calls that change something, as patterns of sh(1). With POLYVIRT_KILL, the caller of such a call is killed before or
#: after the call, but only once for each call, so the next run can repeat it.
_WRITES = (
    "'ifconfig '*destroy",
    "'netstart '*",
    "'rcctl enable'*",
    "'rcctl disable'*",
    "'rcctl set'*",
    "'rcctl start'*",
    "'rcctl stop'*",
    "'rcctl restart'*",
    "'sysctl '*=*",
    "'vmctl load'*",
    "'vmctl reload'*",
    "'vmctl reset'*",
    "'pfctl -f'*",
    "'pfctl -e'*",
    "'pfctl -a'*' -f '*",
    "'pfctl -a'*' -F '*",
    "'fw_update '*",
)
_SHIM = """\
#!/bin/sh
call="${{0##*/}} $1 ${{2##/*}}"
case "${{0##*/}} $*" in
    {writes})
        if [ -n "$POLYVIRT_KILL" ] && ! grep -qxF "$call" '{killed}'; then
            echo "$call" >>'{killed}'
            [ "$POLYVIRT_KILL" = before ] || '{real}' "$@"
            kill -9 $PPID
        fi
        ;;
esac
exec '{real}' "$@"
"""
STOCK_PF = """\
# The rules of the administrator
set skip on lo
block return
pass
block return in on ! lo0 proto tcp to port 6000:6010
"""


class Played(NamedTuple):
    """The result of a play; ``changed`` are the tasks that reported a change, ``output`` is in one line."""

    code: int
    changed: list
    output: str


class RoleHost(OpenBSD):
    """A host with the default rules of pf; ``start_vmd`` enables and starts vmd."""

    def __init__(self, folder, ansible_playbook, **known):
        super().__init__(folder / "openbsd", **known)
        self._folder, self._ansible_playbook = folder, ansible_playbook
        self._shims = folder / "shims"
        #: A directory with programs that take precedence over all others.
        self.extra_path = ""
        self._write_shims()
        self.write("/etc/pf.conf", STOCK_PF)
        self.file("/etc/pf.conf").chmod(0o600)
        self.call("pfctl", "-f", "/etc/pf.conf")

    def _write_shims(self):
        self._shims.mkdir()
        killed = self._folder / "killed"
        killed.touch()
        for real in self.bin.iterdir():
            shim = self._shims / real.name
            shim.write_text(_SHIM.format(writes=" | ".join(_WRITES), real=real, killed=killed), encoding="utf-8")
            shim.chmod(0o755)

    def start_vmd(self):
        self.call("rcctl", "enable", "vmd")
        self.call("rcctl", "start", "vmd")
        return self

    @property
    def etc(self):
        return self.file("/etc/")

    def places(self):
        """The variables with which the roles use the files and programs of this host."""
        etc = str(self.etc).rstrip("/")
        netstart = [str(self._shims / "netstart")]
        return {"__vmm_network_etc": etc, "__vmm_host_etc": etc, "__vmm_network_netstart": netstart}

    def play(self, role, *words, kill="", hosts=None, **variables):
        """Run a role once. ``kill``: kill the caller of its first write ``before`` or ``after`` this write."""
        own = {**self.places(), "ansible_python_interpreter": sys.executable, **variables}
        book = {"hosts": "openbsd", "gather_facts": False, "roles": [f"polyvirt.core.{role}"]}
        inventory = {"all": {"hosts": {"openbsd": {}, **(hosts or {})}, "vars": {"ansible_connection": "local"}}}
        for name, content in (("play.yml", [book]), ("inventory.yml", inventory), ("variables.yml", own)):
            (self._folder / name).write_text(json.dumps(content), encoding="utf-8")
        code, output = self._ansible_playbook(
            "-i", self._folder / "inventory.yml", self._folder / "play.yml", "-e", f"@{self._folder / 'variables.yml'}",
            "--diff", *words, environment={**self.environment(), "POLYVIRT_KILL": kill},
        )  # fmt: skip
        assert not self.not_recorded(), self.not_recorded()
        return Played(code, _changed(output), " ".join(output.split()))

    def environment(self):
        environment = super().environment()
        folders = [self.extra_path, str(self._shims), environment["PATH"]]
        return {**environment, "PATH": os.pathsep.join(filter(None, folders))}

    def files(self):
        """{path below /etc: (text, mode)} of the host's files."""
        found = {}
        for path in sorted(self.etc.rglob("*")):
            if path.is_file():
                text = path.read_text(encoding="latin-1")
                found[str(path.relative_to(self.etc))] = (text, oct(path.stat().st_mode & 0o777))
        return found

    def look(self):
        """All values that roles can change: files, interfaces, rules, services, forwarding, vmd and its VMs."""
        state = self.state.look()
        shown = re.sub(r"\t(lladdr|index) .*\n|\t\tport .*\n", "", self.call("ifconfig").stdout)
        return {
            "files": self.files(),
            "interfaces": sorted(re.split(r"^(?=\S)", shown, flags=re.MULTILINE)),
            "rules": self.call("pfctl", "-s", "rules").stdout,
            "anchor": self.call("pfctl", "-a", "polyvirt_vmm", "-s", "rules").stdout,
            "services": [name for name, one in sorted(state["services"].items()) if one.get("running")],
            "forwarding": state["sysctls"]["net.inet.ip.forwarding"],
            "vmd": state["vmd"]["running"],
            "vms": self.call("vmctl", "status").stdout,
        }

    def play_killed(self, role, when, **variables):
        """Run a role repeatedly and kill it at one write after another; returns the first run that is not killed."""
        for _again in range(len(_WRITES) * 2):
            known = self._killed()
            done = self.play(role, kill=when, **variables)
            if self._killed() == known:
                return done
        raise AssertionError(f"Every run calls something else: {self._killed()}")

    def _killed(self):
        return (self._folder / "killed").read_text(encoding="utf-8")

    def writes(self):
        """All calls so far that changed something."""
        return [words for words in self.calls() if words[0] in ("netstart", "fw_update") or _is_write(words)]


def _is_write(words):
    line = " ".join(words)
    return any(
        re.match("".join(".*" if part == "*" else re.escape(part.strip("'")) for part in re.split(r"(\*)", one)), line)
        for one in _WRITES
    )


def _changed(output):
    """The tasks that reported a change, with the items of loops."""
    task, found = "", []
    for line in output.splitlines():
        name = re.match(r"TASK \[(.*?)\]", line)
        task = name[1] if name else task
        item = re.match(r"changed: \[openbsd\](.*)", line)
        if item:
            found.append(f"{task}{item[1]}")
    return found
