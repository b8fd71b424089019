# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queues: their statement, and the checks of their hierarchy."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from .cnumbers import UINT_MAX, double

_UNITS = {"b": 1, "K": 1000, "M": 1000**2, "G": 1000**3}
_LONGEST_NAME = 63
_MOST = 10000
_LAST_FLOW, _LAST_SHORT = 32767, 65535


@dataclass(frozen=True)
class Curve:
    """A bandwidth, and another one for the first ``milliseconds``."""

    rate: int = 0
    burst: int = 0
    milliseconds: int = 0

    def text(self, word):
        burst = f" burst {_rate(self.burst)} for {self.milliseconds}ms" if self.milliseconds else ""
        return (word + _rate(self.rate) if self.rate else "") + burst


@dataclass
class Queue:
    name: str
    parent: str = ""
    interface: str = ""
    given: frozenset = frozenset()
    bandwidth: Curve = Curve()
    lowest: Curve = Curve()
    highest: Curve = Curve()
    flows: int = 0
    quantum: int = 0
    limit: int = 0
    children: list = field(default_factory=list)
    matches: int = 0

    @property
    def is_root_class(self):
        return not self.parent and "bandwidth" in self.given

    def text(self):
        text = f"queue {self.name}"
        if self.parent or self.interface:
            text += f" parent {self.parent}" if self.parent else f" on {self.interface}"
        if self.flows:
            text += f" flows {self.flows}" + (f" quantum {self.quantum}" if self.quantum else "")
        if self.bandwidth.rate or self.bandwidth.burst:
            text += self.bandwidth.text(" bandwidth ") + self.lowest.text(", min ") + self.highest.text(", max ")
        text += " default" if "default" in self.given else ""
        return text + (f" qlimit {self.limit}" if self.limit else "")


def _rate(rate):
    unit = 0
    while rate >= 1000 and unit <= 3 and rate % 1000 == 0:
        rate //= 1000
        unit += 1
    return f"{rate}{' KMG'[unit : unit + 1]}" if rate else ""


class Queues:
    """Actions of the grammar for ``queue``."""

    def queue_begin(self):
        self.queue_options = {}
        return self.queue_options

    def _queue_option(self, word, value, message=None):
        if word in self.queue_options:
            self.reject(message or f"{word} cannot be respecified")
        self.queue_options[word] = value

    def queue_bandwidth(self, _word, curve, limits):
        self._queue_option("bandwidth", (curve, limits))

    def queue_parent(self, word, name):
        self._queue_option(word, name)

    def queue_default(self, word):
        self._queue_option(word, True)

    def _queue_number(self, word, number, first, last, what=None):
        self._queue_option(word, number, f"{what or word} cannot be respecified")
        if not first <= number <= last:
            del self.queue_options[word]
            self.reject(f"{what or word} out of range: max {last}")

    def queue_qlimit(self, word, number):
        self._queue_number(word, number, 0, _LAST_SHORT)

    def queue_flows(self, word, number):
        self._queue_number(word, number, 1, _LAST_FLOW, "number of flows")

    def queue_quantum(self, word, number):
        self._queue_number(word, number, 1, _LAST_SHORT)

    def limits(self, *symbols):
        words = [symbol for symbol in symbols if symbol not in (None, ",")]
        return dict(zip(words[::2], words[1::2]))

    def bandwidth(self, text):
        rate, unit = double(text)
        if unit[1:] in ("Bit", "B", "bit", "b"):
            unit = unit[0]
        if unit == "%":
            if not 0 <= rate <= 100:
                self.reject("bandwidth spec out of range")
            return 0, int(rate)
        if unit not in _UNITS:
            self.reject(f'unknown unit "{unit}"')
        return int(rate * _UNITS[unit]) & UINT_MAX, 0

    def bandwidth_number(self, number):
        if not 0 <= number <= UINT_MAX:
            self.reject("bandwidth number too big")
        return number, 0

    def service_curve(self, rate, _burst=None, burst=(0, 0), _for=None, time="0ms"):
        milliseconds = re.fullmatch(r"(\d*)ms", time)
        if not milliseconds:
            self.reject("time in scspec must be in ms")
        if rate[1] or burst[1]:
            self.reject("no bandwidth in % yet")
        return Curve(rate[0], burst[0], int(milliseconds.group(1) or 0))

    def queue_names(self, *words):
        names = [word for word in words if word not in (None, "(", ")", ",")]
        for name in names:
            if all(queue.name != name for queue in self.process.queues):
                self.reject(f"queue {name} is not defined")
        return names[0], names[1] if len(names) > 1 else ""

    def queue(self, _word, name, interfaces, options):
        if not interfaces and not options.get("parent"):
            self.reject("root queue without interface")
        if interfaces and not self._is_real(interfaces[0].name):
            self.reject("not an interface")
        if not {"bandwidth", "flows"} & set(options):
            self.complain("no bandwidth or flow specification")
            return
        curve, limits = options.get("bandwidth", (Curve(), {}))
        queue = Queue(name, options.get("parent", ""), "", frozenset(options), curve)
        queue.lowest, queue.highest = limits.get("min", Curve()), limits.get("max", Curve())
        queue.flows, queue.quantum = options.get("flows", 0), options.get("quantum", 0)
        queue.limit = options.get("qlimit", 0)
        for long, what in ((name, "queuename"), (queue.parent, "parent")):
            if len(long) > _LONGEST_NAME:
                self.complain(f"{what} too long")
                return
        for interface in interfaces or [None]:
            problem = self._add_queue(replace(queue, children=[], interface=interface.name if interface else ""))
            if problem:
                self.process.print(problem)
                self.complain("cannot add queue")
                return

    def _is_real(self, name):
        system = self.process.system
        return not system.members(name) and system.is_interface(name)

    def _add_queue(self, queue):
        if self.anchor.name:
            return "must not have queue definitions in an anchor"
        if not queue.parent and any(root.interface == queue.interface for root in self.process.roots):
            return f"A root queue is already defined on {queue.interface}"
        (self.process.queues if queue.parent else self.process.roots).append(queue)
        return None

    def check_queues(self):
        """Returns False if the hierarchy of the queues is invalid."""
        for root in self.process.roots:
            has_default = self._find_children(root)
            if not root.is_root_class and root.children:
                reason = f"root queue {root.name} doesn't support hierarchy"
                missing = f"no bandwidth was specified for root queue {root.name}"
                self.fatal(reason if root.flows else missing)
            if root.is_root_class and not has_default:
                self.fatal("no default queue specified")
        assigned = [name for rule in _all_rules(self.anchor) for name in (rule.qname, rule.pqname)]
        bad = [name for name in assigned if self._has_children(name)]
        for name in bad:
            self.process.print(f"queue {name}: packets must be assigned to leaf queues only")
        return not bad

    def _has_children(self, name):
        return any(queue.name == name and queue.children for queue in (*self.process.roots, *self.process.queues))

    def _find_children(self, queue):
        """Attach the children of a queue. Returns True if the queue or one below it is the default."""
        for child in self.process.queues:
            if child.parent != queue.name or (child.interface and child.interface != queue.interface):
                continue
            child.matches += 1
            if child.matches > _MOST:
                self.fatal("pfctl_find_childqs: excessive matches, loop?")
            place = next((at for at, known in enumerate(queue.children) if known.name == child.name), None)
            if place is None:
                queue.children.append(replace(child, children=[]))
                continue
            known = queue.children[place]
            if bool(known.interface) == bool(child.interface):
                on = f" on {known.interface}" if known.interface else ""
                self.fatal(f"queue {known.name}{on} respecified")
            if not known.interface:
                queue.children[place] = replace(child, children=[])
        found = [self._find_children(child) for child in queue.children]
        if queue.children and ("default" in queue.given or queue.flows):
            kind = "default" if "default" in queue.given else "flow"
            self.fatal(f"{kind} queue {queue.name} is not a leaf queue")
        return any(found) or "default" in queue.given

    def load_queues(self):
        for queue in self.process.queues:
            if not queue.matches:
                self.fatal(f"queue {queue.name}: parent {queue.parent} not found")
            if not queue.bandwidth.rate and not queue.bandwidth.burst:
                self.fatal(f"queue {queue.name}: no bandwidth was specified")
        for root in self.process.roots:
            self._show_queue(root)

    def _show_queue(self, queue):
        self.show(queue.text())
        for child in queue.children:
            self._show_queue(child)


def _all_rules(anchor):
    for rule in anchor.rules:
        if rule.anchor:
            yield from _all_rules(rule.anchor)
        yield rule
