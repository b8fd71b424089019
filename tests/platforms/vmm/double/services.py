# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``rcctl`` and ``dhcpd -n``."""

from __future__ import annotations

import ipaddress
import re

from . import options
from .options import Failure

_FILE = "/etc/rc.conf.local"
_KNOWN = frozenset(
    {"cron", "dhcpd", "dhcpleased", "ntpd", "resolvd", "slaacd", "smtpd", "sshd", "syslogd", "unbound", "vmd"}
)
_ON_BY_DEFAULT = frozenset({"cron", "dhcpleased", "ntpd", "resolvd", "slaacd", "smtpd", "sshd", "syslogd"})
_USAGE = """usage:\trcctl get|getdef|set service | daemon [variable [arguments]]
\trcctl [-df] check|reload|restart|stop|start daemon ...
\trcctl disable|enable|order [daemon ...]
\trcctl ls all|failed|off|on|rogue|started|stopped
"""
_WRITES = ("enable", "disable", "set")
_ACTIONS = ("check", "start", "stop", "restart", "reload")


def is_enabled(world, name):
    return _Service(world, name, set()).flags is not None


def rcctl(world, words):
    try:
        found, words = options.parse(words, "dfq")
    except options.Misuse:
        raise Failure(_USAGE) from None
    if len(words) < 2:
        raise Failure(_USAGE)
    action, service, *rest = words
    service = _Service(world, service, {letter for letter, _value in found})
    if action in _WRITES and world.host.uid:
        raise Failure(f'rcctl: "{action}" needs root privileges\n')
    if service.name == "pf" and action in ("enable", "disable", *_ACTIONS):
        return _switch_pf(world, action)
    if service.name not in _KNOWN:
        raise Failure(f"rcctl: service {service.name} does not exist\n", 0 if action == "disable" else 2)
    if action in ("get", "getdef"):
        return service.get(rest[0] if rest else None)
    if action in _ACTIONS:
        return service.act(action)
    if action == "set":
        return service.set(rest)
    if action not in _WRITES:
        raise Failure(_USAGE)
    service.enable(action == "enable")
    return 0, "", ""


def _switch_pf(world, action):
    """Enable or disable pf at boot by the line pf=NO. pf is not a daemon: pfctl switches it on and off at run time."""
    if action in _ACTIONS:
        raise Failure('rcctl: "pf" is a special variable, no rc.d(8) script\n')
    lines = [line for line in world.host.text(_FILE).splitlines() if not line.startswith("pf=")]
    lines += ["pf=NO"] if action == "disable" else []
    if lines:
        world.host.write(_FILE, "".join(f"{line}\n" for line in sorted(lines)))
    else:
        world.host.remove(_FILE)
    return 0, "", ""


class _Service:
    def __init__(self, world, name, letters):
        self.world, self.name, self.letters = world, name, letters

    # rc.conf.local ----------------------------------------------------------------------------------------------------

    @property
    def flags(self):
        """The flags of the service, or None if it is disabled."""
        found = re.search(rf"^{self.name}_flags=(.*)$", self.world.host.text(_FILE), re.M)
        if found:
            value = found.group(1).strip().strip('"').strip("'")
            return None if value == "NO" else value
        return "" if self.name in _ON_BY_DEFAULT else None

    def _write(self, value):
        """Set the service's line, or remove it if ``value`` is None; an empty file is deleted."""
        lines = [
            line for line in self.world.host.text(_FILE).splitlines() if not line.startswith(f"{self.name}_flags=")
        ]
        lines += [] if value is None else [f"{self.name}_flags={value}"]
        if lines:
            self.world.host.write(_FILE, "".join(f"{line}\n" for line in sorted(set(lines))))
        else:
            self.world.host.remove(_FILE)
        with self.world.state.open() as state:
            state["services"].setdefault(self.name, {})["flags"] = value or ""

    def enable(self, is_on):
        if is_on and self.flags is None:
            self._write("")
        elif not is_on:
            self._write("NO" if self.name in _ON_BY_DEFAULT else None)

    def set(self, rest):
        variable, values = (rest[0] if rest else ""), rest[1:]
        if variable == "status":
            self.enable(values[:1] == ["on"])
        elif variable != "flags":
            raise Failure(_USAGE)
        elif self.flags is None:
            raise Failure(f"rcctl: {self.name} is not enabled\n")
        else:
            self._write(" ".join(values))
        return 0, "", ""

    def get(self, variable):
        code = 0 if self.flags is not None else 1
        if variable == "status":
            return code, "", ""
        values = {
            "class": "daemon",
            "execdir": "",
            "flags": "NO" if self.flags is None else self.flags,
            "logger": "",
            "rtable": "0",
            "timeout": "30",
            "user": "root",
        }
        if variable is None:
            return code, "".join(f"{self.name}_{key}={value}\n" for key, value in values.items()), ""
        if variable not in values:
            raise Failure(_USAGE)
        text = values[variable]
        return 0, f"{text}\n" if text else "", ""

    # The daemon -------------------------------------------------------------------------------------------------------

    @property
    def is_running(self):
        state = self.world.state.look()
        if self.name == "vmd":
            return state["vmd"]["running"]
        return state["services"].get(self.name, {}).get("running", self.name in _ON_BY_DEFAULT)

    def act(self, action):
        if action == "check":
            return self._result(self.is_running)
        if self.world.host.uid:
            raise Failure(f"/etc/rc.d/{self.name}: need root privileges\n")
        if action in ("start", "restart") and self.flags is None and "f" not in self.letters:
            raise Failure(f"/etc/rc.d/{self.name}: need -f to force {action} since {self.name}_flags=NO\n")
        if action == "reload":
            return self._result(self._reload())
        code, text = 0, ""
        if action in ("stop", "restart") and self.is_running:
            self._end()
            text = f"{self.name}(ok)\n"
        if action in ("start", "restart") and not self.is_running:
            code, more, _error = self._result(self._begin())
            text += more
        return code, "" if "q" in self.letters else text, ""

    def _result(self, is_good):
        text = f"{self.name}({'ok' if is_good else 'failed'})\n"
        return int(not is_good), "" if "q" in self.letters else text, ""

    def _reload(self):
        """Reload the daemon. Only a signal is sent, so errors in the daemon's file are not reported."""
        if self.name == "vmd" and self.is_running:
            with self.world.vmd() as daemon:
                daemon.reload()
            return True
        return self.is_running

    def _begin(self):
        if self.name == "vmd":
            with self.world.vmd() as daemon:
                return daemon.boot()
        if self.name == "dhcpd":
            interfaces = self.world.state.look()["interfaces"]
            named = (self.flags or "").split()
            has_address = all(interfaces.get(name, {}).get("inet") for name in named)
            if dhcpd(self.world, ["-n"])[0] or not has_address:
                return False
        self._set_running(True)
        return True

    def _end(self):
        if self.name == "vmd":
            with self.world.vmd() as daemon:
                daemon.halt()
        else:
            self._set_running(False)

    def _set_running(self, is_on):
        with self.world.state.open() as state:
            state["services"].setdefault(self.name, {}).update(running=is_on, flags=self.flags or "")


def dhcpd(world, words):
    """``dhcpd -n``: check that each statement ends with a semicolon or is a block, and that ranges are in subnets."""
    found, _interfaces = options.parse(words, "A:C:L:c:dfl:nu:vY:y:")
    path = dict(found).get("c", "/etc/dhcpd.conf")
    if not world.host.exists(path):
        return 1, "", f"Can't open {path}: No such file or directory\n"
    depth, statement, problems = 0, "", []
    for number, line in enumerate(world.host.read(path).splitlines(), 1):
        for piece in re.findall(r'"[^"]*"|[{};]|[^\s{};"#]+', line.partition("#")[0]):
            if piece == "}" and (statement or not depth):
                problems.append(
                    f"{path} line {number}: {'semicolon expected.' if statement else 'unexpected brace.'}\n"
                )
            depth += {"{": 1, "}": -1}.get(piece, 0)
            statement = "" if piece in "{};" else statement + piece
    if depth or statement:
        problems.append(f"{path}: unexpected end of file.\n")
    problems += _ranges_elsewhere(world.host.read(path))
    return int(bool(problems)), "", "".join(problems)


def _ranges_elsewhere(text):
    for address, mask, block in re.findall(r"subnet (\S+) netmask (\S+) \{(.*?)^\}", text, re.DOTALL | re.MULTILINE):
        subnet = ipaddress.ip_network(f"{address}/{mask}")
        for first, last in re.findall(r"range (\S+) (\S+);", block):
            if any(ipaddress.ip_address(one) not in subnet for one in (first, last)):
                yield f"Address range {first} to {last} not on net {address}/{mask}!\n"
