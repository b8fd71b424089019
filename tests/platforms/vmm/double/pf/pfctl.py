# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program pfctl over the state of a simulated host."""

from __future__ import annotations

import fcntl
import getopt
import json
import os
import re
from contextlib import contextmanager
from pathlib import Path

from ..host import Host
from .load import Process, load
from .printing import rule_text
from .system import System

_USAGE = """\
usage: pfctl [-deghNnPqrvz] [-a anchor] [-D macro=value] [-F modifier] [-f file]
\t[-i interface] [-K key] [-k key] [-L statefile] [-o level]
\t[-p device] [-S statefile] [-s modifier [-R id]]
\t[-t table -T command [address ...]] [-V rdomain] [-x level]
"""
_FLAGS = "a:dD:eqf:F:ghi:k:K:L:Nno:Pp:R:rS:s:t:T:vV:x:z"
_SHOWN = "queue rules Anchors Sources states info Interfaces labels timeouts memory Tables osfp all"
_FLUSHED = "rules Sources states info Tables osfp Reset all"
_LEVELS = "none basic profile"
_FLUSH_MESSAGES = {
    "rules": "rules cleared",
    "states": "0 states cleared",
    "Sources": "source tracking entries cleared",
    "info": "pf: statistics cleared",
    "Tables": "0 tables deleted.",
    "Reset": "pf: interface flags reset",
}
_CALL = re.compile(r'\s*anchor "([^"]+)"')
_DAY, _HOUR, _MINUTE = 86400, 3600, 60


class _Ended(Exception):
    """pfctl ends with exit code 1. The error was printed."""


class Pfctl:
    """One call. ``state``: ``pf`` (enabled, since, main, anchors), ``interfaces`` and ``now`` of the host."""

    def __init__(self, state, read, stdin="", uid=0):
        self._state, self._uid = state, uid
        self._pf = state.setdefault("pf", {})
        for name, value in {"enabled": True, "since": 0, "main": [], "anchors": {}}.items():
            self._pf.setdefault(name, value)
        self._read, self._stdin = read, stdin
        found = interfaces(state)
        self._process = Process(System(found, self._open) if found else System(read=self._open))
        self._options = {}

    def run(self, argv):
        """(exit code, standard output, standard error)."""
        try:
            self._parse(argv)
            code = self._act()
        except _Ended:
            code = 1
        return code, "".join(self._process.output), "".join(f"{line}\n" for line in self._process.errors)

    def _end(self, *lines):
        for line in lines:
            self._process.warn(line.rstrip("\n"))
        raise _Ended

    def _open(self, name):
        return self._stdin if name == "stdin" and self._options.get("-f") == "-" else self._read(name)

    # options
    def _parse(self, argv):
        if not argv:
            self._end(_USAGE)
        try:
            given, rest = getopt.getopt(argv, _FLAGS)
        except getopt.GetoptError as error:
            missing = "option requires an argument" if "requires" in error.msg else "unknown option"
            self._end(f"pfctl: {missing} -- {error.opt}", _USAGE)
        if rest:
            self._end(f"pfctl: unknown command line argument: {rest[0]} ...", _USAGE)
        for flag, value in given:
            self._options[flag] = value
            if flag == "-h":
                self._end(_USAGE)
            if flag == "-D":
                name, _equals, text = value.rpartition("=")
                self._process.macros[name] = text
        count = sum(flag == "-v" for flag, _value in given)
        self._process.verbose, self._process.very_verbose = count > 0, count > 1
        self._choose("-s", "show modifier", _SHOWN)
        self._choose("-F", "flush modifier", _FLUSHED)
        self._choose("-o", "optimization", _LEVELS)
        self._process.dry = "-n" in self._options
        if "-o" in self._options:
            self._process.optimize = self._options["-o"] != "none"

    def _choose(self, flag, what, words):
        """Replace the value of an option, which may be shortened, by the word."""
        value = self._options.get(flag)
        if value is None:
            return
        found = [word for word in words.split() if value and word.startswith(value)]
        if len(found) > 1:
            self._end(f"pfctl: {value} is ambigious")
        if not found:
            self._end(f"pfctl: Unknown {what} '{value}'", _USAGE)
        self._options[flag] = found[0]

    # actions, in the order in which pfctl does them
    def _act(self):
        anchor = self._options.get("-a")
        self._check_anchor(anchor)
        if not self._process.dry:
            if self._uid:
                self._end("pfctl: /dev/pf: Permission denied")
            if "-d" in self._options:
                self._switch(False)
            if "-s" in self._options:
                self._show(self._options["-s"], anchor)
            if "-F" in self._options:
                self._flush(self._options["-F"], anchor or "")
        if "-f" in self._options and not self._load(self._options["-f"], anchor or ""):
            return 1
        if "-e" in self._options and not self._process.dry:
            self._switch(True)
        return 0

    def _check_anchor(self, anchor):
        if anchor is None:
            return
        if not anchor:
            self._end("pfctl: anchor name must not be empty")
        writes = {"-f", "-F", "-d", "-e"} & set(self._options)
        if not writes and "-s" not in self._options:
            self._end("pfctl: anchors apply to -f, -F, -s, and -T only", _USAGE)
        if writes and (anchor.startswith("_") or "/_" in anchor):
            self._end("pfctl: anchor names beginning with '_' cannot be modified from the command line")

    def _say(self, text):
        if "-q" not in self._options:
            self._process.warn(text)

    def _switch(self, enabled):
        if self._pf["enabled"] == enabled:
            self._end("pfctl: pf already enabled" if enabled else "pfctl: pf not enabled")
        self._pf.update(enabled=enabled, since=self._state.get("now", 0))
        self._say("pf enabled" if enabled else "pf disabled")

    def _flush(self, what, anchor):
        if what in ("rules", "all"):
            if anchor:
                self._pf["anchors"][anchor] = []
            else:
                self._pf["main"] = []
            self._forget_empty()
        words = ("Tables", "rules", *(() if anchor else ("states", "Sources", "info", "Reset")))
        for word in words if what == "all" else (what,):
            if word in _FLUSH_MESSAGES:
                self._say(_FLUSH_MESSAGES[word])

    def _load(self, name, anchor):
        if not load(self._process, "stdin" if name == "-" else name, anchor):
            return False
        if not self._process.dry:
            for path, loaded in self._process.loaded.items():
                self._keep(path, loaded)
            self._forget_empty()
        return True

    def _forget_empty(self):
        """An anchor without rules exists only while a rule calls it."""
        anchors = self._pf["anchors"]
        called = set(_calls("", self._pf["main"]))
        for path, lines in anchors.items():
            called.update(_calls(f"{path}/", lines))
        self._pf["anchors"] = {path: lines for path, lines in anchors.items() if lines or path in called}

    def _keep(self, path, loaded):
        lines = self._lines(loaded, path, 0)
        if path:
            self._pf["anchors"][path] = lines
        else:
            self._pf["main"] = lines

    def _lines(self, anchor, path, depth):
        """The rules of an anchor as ``-s rules`` prints them; anchors without a name are printed with their rules."""
        lines = []
        for rule in anchor.rules:
            text = "  " * depth + rule_text(rule, self._process.system, rule.anchor.call if rule.anchor else "")
            if not rule.anchor:
                lines.append(text)
                continue
            inner = f"{path}/{rule.anchor.call}".lstrip("/")
            if rule.anchor.call.startswith("_"):
                lines += [f"{text} {{", *self._lines(rule.anchor, inner, depth + 1), "  " * depth + "}"]
            else:
                lines.append(text)
                self._pf["anchors"].setdefault(_plain(inner), [])
                if rule.anchor.rules:
                    self._pf["anchors"][inner] = self._lines(rule.anchor, inner, 0)
        return lines

    # -s
    def _show(self, what, anchor):
        if what in ("rules", "all"):
            self._show_rules(anchor)
        if what in ("info", "all"):
            self._show_info()
        if what == "Anchors":
            self._show_anchors(anchor or "")

    def _show_rules(self, anchor):
        anchors = self._pf["anchors"]
        known = not anchor or any(f"{path}/".startswith(f"{anchor}/") for path in anchors)
        if not known:
            self._process.warn("pfctl: Anchor does not exist")
            return
        for line in anchors.get(anchor, []) if anchor else self._pf["main"]:
            self._process.print(line)

    def _show_anchors(self, parent):
        children = {path for path in self._with_parents() if path.rpartition("/")[0] == parent}
        for path in sorted(children):
            if self._process.verbose or not path.startswith("_"):
                self._process.print(f"  {path}")
            if self._process.verbose:
                self._show_anchors(path)

    def _with_parents(self):
        for path in self._pf["anchors"]:
            parts = path.strip("/").split("/")
            yield from ("/".join(parts[: count + 1]) for count in range(len(parts)))

    def _show_info(self):
        seconds = int(self._state.get("now", 0) - self._pf["since"])
        status = f"Status: {'Enabled' if self._pf['enabled'] else 'Disabled'}"
        if seconds:
            rest = seconds % _DAY
            clock = f"{rest // _HOUR:02}:{rest % _HOUR // _MINUTE:02}:{rest % _MINUTE:02}"
            status += f" for {seconds // _DAY} days {clock}"
        self._process.print(f"{status:<44}{'Debug: err':>15}\n")
        self._process.print(f"{'State Table':<27} {'Total':>14} {'Rate':>16}")
        for name in ("current entries", "half-open tcp"):
            self._process.print(f"  {name:<25} {0:>14} {'':>14}")


def _plain(path):
    """``a/*`` calls all anchors below ``a``."""
    return path[: -len("/*")] if path.endswith("/*") else path


def _calls(parent, lines):
    """The paths of the anchors that rules call."""
    for line in lines:
        found = _CALL.match(line)
        if found:
            yield _plain(f"{parent}{found.group(1)}".lstrip("/"))


def interfaces(state):
    """The interfaces of a state as a list of name, addresses, groups and flag."""
    known = state.get("interfaces", {})
    if not isinstance(known, dict):
        return known
    return [
        {
            "name": name,
            "addresses": [f"{address}/{bits}" for kind in ("inet", "inet6") for address, bits in about.get(kind, ())],
            "groups": ["all", *about.get("groups", ())],
            "flag": "LOOPBACK" if "LOOPBACK" in about.get("flags", ()) else "BROADCAST",
        }
        for name, about in known.items()
    ]


@contextmanager
def _held(folder):
    """The locked state of a folder. Changes are written back."""
    file = Path(folder) / "state.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{file}.lock", "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        before = json.dumps(state)
        yield state
        after = json.dumps(state)
        if after != before:
            new = file.with_name("state.json.new")
            new.write_text(after, encoding="utf-8")
            new.replace(file)


def run(folder, argv, environ=None, stdin=""):
    """One call of pfctl: (exit code, standard output, standard error). Without a folder, no state is kept."""
    environ = os.environ if environ is None else environ
    uid = int(environ.get("POLYVIRT_VMM_UID", 0))
    if not folder:
        return Pfctl({}, Host().read, stdin, uid).run(argv)
    with _held(folder) as state:
        root = environ.get("POLYVIRT_VMM_ROOT") or state.get("root") or "1"
        root = str(Path(folder) / "root") if root == "1" else root
        uid = uid or state.get("uid", 0)
        return Pfctl(state, Host(root, uid=uid).read, stdin, uid).run(argv)
