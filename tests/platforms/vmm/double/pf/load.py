# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads pf.conf, and prints what pfctl would load."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..lalr import Invalid
from .addresses import Address, Host, Reader, bits_of, host_bits
from .expand import problems
from .filters import Filters
from .grammar import DIALECT, GRAMMAR, Words
from .matches import Matches
from .optimize import optimized
from .options import Options
from .printing import rule_text, table_text
from .queues import Queues
from .rule import Anchor
from .statements import Anchors, Antispoof, Rules, Tables
from .system import System

_PREFIX = "__automatic_"


class Fatal(Exception):
    """pfctl ends with an error. The message was reported."""


@dataclass
class Process:
    """One pfctl process: its options, its output, and the settings that persist from one file to the next."""

    system: System
    verbose: bool = False
    very_verbose: bool = False
    dry: bool = True
    optimize: bool | None = None
    macros: dict = field(default_factory=dict)
    output: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    to_load: list = field(default_factory=list)
    loaded: dict = field(default_factory=dict)
    queues: list = field(default_factory=list)
    roots: list = field(default_factory=list)
    state_defaults: list | None = None
    state_lock: str = ""
    syncookies: tuple = ()
    pool_tables: int = 0

    def print(self, text, end="\n"):
        self.output.append(text + end)

    def warn(self, text):
        self.errors.append(text)


@dataclass
class PoolTable:
    """A table that pfctl creates for the addresses of several rules, or of one redirection."""

    address: Address
    hosts: list = field(default_factory=list)
    shown: bool = False


class Loader(Options, Matches, Filters, Rules, Anchors, Antispoof, Tables, Queues):
    """Loads one file into the main rules, or into an anchor. Its methods are the actions of the grammar."""

    def __init__(self, process, anchor_path="", optimizes=True):
        self.process, self.optimizes = process, optimizes
        self.block_policy, self.reassembles = "drop", True
        self.anchor = Anchor(anchor_path, anchor_path.rpartition("/")[2])
        self.stack, self.depth, self.held, self.left, self.inline = [self.anchor], 0, 0, None, {}
        self.reader = Reader(process.system, self.warn)
        self.lexer = Words(DIALECT, process.system.read)
        self.lexer.messages = process.errors
        self.optimization_given, self.shown = False, set()
        # Macros of the command line take precedence in the first file, and are undefined in later ones.
        self.fixed_macros, process.macros = process.macros, {}

    # messages
    def warn(self, text):
        self.process.warn(text)

    def complain(self, text):
        self.lexer.error(text)

    def reject(self, text):
        if text is not None:
            self.complain(text)
        raise Invalid

    def fatal(self, text):
        self.warn(f"pfctl: {text}")
        raise Fatal

    def show(self, text, end="\n"):
        if self.process.verbose:
            self.process.print(text, end)

    def open(self, open_file, name):
        """Returns False, with an error message, if the lexer cannot open a file."""
        try:
            open_file(name)
        except OSError as error:
            self.problem = error.strerror
            self.warn(f"pfctl: pushfile: {name}: {error.strerror}")
            return False
        return True

    # rules
    def consistent(self, rule):
        found = problems(rule)
        for problem in found:
            if problem is None:
                place = f"{self.lexer.source.name}:{self.lexer.line}"
                self.warn(f"{place}: warning: synproxy used for inbound rules only, ignored for outbound")
            else:
                self.complain(problem)
        return not any(found)

    def add(self, rule):
        self.stack[self.depth].rules.append(rule)

    def pool_table(self, hosts, table=None):
        """Add hosts to a table, or to a new one. Returns None after an error."""
        if table is None:
            table = PoolTable(Address("table", name=f"{_PREFIX}{self.process.pool_tables}"))
            self.process.pool_tables += 1
        for host in hosts:
            if host.af == 0 or bits_of(host.address.mask) > host_bits(host.af):
                self.warn("pfctl: failed to add host: Invalid argument")
                return None
            table.hosts.append(Host(host.address, host.af))
        return table

    def show_table(self, table):
        self.show_table_text(table.address.name, {"const"}, [table.hosts], True)

    def show_table_text(self, name, flags, hosts, empty):
        self.show(table_text(name, flags, hosts, empty))

    # files
    def load(self, name):
        """Load a file. Returns False after an error."""
        if not self.open(self.lexer.open, name):
            self.warn(f"pfctl: cannot open the main config file!: {self.problem}")
            return self._not_loaded()
        for macro, value in self.fixed_macros.items():
            self.lexer.define(macro, value)
        top = self.anchor
        GRAMMAR.parse(self.lexer, self)
        if self.process.very_verbose:
            for macro in self.lexer.unused():
                self.warn(f"warning: macro '{macro}' not used")
        if self.lexer.errors:
            return self._not_loaded()
        self.anchor = top
        if not top.path:
            if not self.check_queues():
                return self._not_loaded("Unable to load queues into kernel")
            self.load_queues()
        self._load_rules(top, 0)
        self.process.loaded[top.path] = top
        return True

    def _not_loaded(self, error="Syntax error in config file: pf rules not loaded"):
        if not self.process.dry:
            self.warn(f"pfctl: {error}")
        return False

    def _load_rules(self, anchor, depth):
        if depth:
            self.show(" {" if anchor.rules else "")
        braces = bool(depth and anchor.rules)
        if self.optimizes:
            anchor.rules = optimized(anchor.rules, self)
        for number, rule in enumerate(anchor.rules):
            for name in ("label", "tag", "tagged"):
                setattr(rule, name, getattr(rule, name).replace("$nr", str(number)))
            call = rule.anchor.call if rule.anchor else ""
            indent = "" if self.process.very_verbose else "  " * depth
            number_text = f"@{number} " if self.process.very_verbose else ""
            self.show(f"{indent}{number_text}{rule_text(rule, self.process.system, call)}", "")
            # A second rule that calls the same anchor is printed without its rules.
            if rule.anchor and rule.anchor not in self.shown:
                self.shown.add(rule.anchor)
                self._load_rules(rule.anchor, depth + 1)
            else:
                self.show("")
        if braces:
            self.show("  " * (depth - 1) + "}")


def load(process, name, anchor_path=""):
    """Load a file and, recursively, its anchors. Returns False after an error."""
    optimizes = process.optimize is not False
    main = Loader(process, anchor_path, optimizes)
    try:
        if not main.load(name):
            return False
        for path, file in process.to_load:
            if process.verbose:
                process.warn(f"\nLoading anchor {path} from {file}")
            if not Loader(process, path, main.optimizes).load(file):
                process.warn("pfctl: load anchors")
                return False
    except Fatal:
        return False
    return True
