# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake of virsh with one VM and one network, which refuses the same entries as libvirt 9.0 does."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

from unit.module_utils._drivers.virsh.answers import UUID, StoringVirsh

LAN = """\
<network><name>lan</name><ip address='192.168.9.1' netmask='255.255.255.0'>
  <dhcp><range start='192.168.9.100' end='192.168.9.199'/>{hosts}</dhcp></ip></network>"""


def lan(*hosts):
    """A network; ``hosts`` are (MAC, address) of its reservations."""
    return LAN.format(hosts="".join(f"<host mac='{mac}' ip='{address}'/>" for mac, address in hosts))


class NetworkVirsh(StoringVirsh):
    """``sides`` is {--live: text of the running network, --config: text of the stored one}; one may be missing.

    ``fails_at`` is the number of the call of net-update at which libvirt cannot be reached any more, once.
    """

    def __init__(self, vm_xml, sides, running=None, fails_at=0):
        super().__init__(UUID, vm_xml, running)
        self.sides = {side: ET.fromstring(text) for side, text in sides.items()}
        self.fails_at, self._updates = fails_at, 0

    def run(self, *words, stdin=None, timeout=None):
        if words[0] == "net-update":
            self.done.append(words)
            self._update(*words[2:])
            return ""
        if words[0] == "undefine":
            assert self.reserved() == {side: {} for side in self.sides}, "the networks come first"
        return super().run(*words, stdin=stdin, timeout=timeout)

    def batch(self, requests, timeout=None):
        return [
            self._network(words) if words[0].startswith("net-") else Answer(self.run(*words), None)
            for words in requests
        ]

    def _network(self, words):
        if words[1] != "lan":
            return Answer("", f"failed to get network '{words[1]}'")
        if words[0] == "net-info":
            active, persistent = ("yes" if side in self.sides else "no" for side in ("--live", "--config"))
            return Answer(f"Name:           lan\nActive:         {active}\nPersistent:     {persistent}\n", None)
        first, second = self.sides.get("--live"), self.sides.get("--config")
        wanted = second if "--inactive" in words else first
        found = [one for one in (wanted, first, second) if one is not None]
        return Answer(ET.tostring(found[0], encoding="unicode"), None)

    def _update(self, command, section, text, side):
        self._updates += 1
        if self._updates == self.fails_at:
            raise CommandFailed(("virsh", "net-update"), 1, "Cannot recv data: Connection reset by peer")
        assert section == "ip-dhcp-host"
        dhcp, host = self.sides[side].find("ip/dhcp"), ET.fromstring(text)
        same = [one for one in dhcp.findall("host") if {*one.attrib.values()} & {*host.attrib.values()}]
        if command == "add" and same:
            raise CommandFailed(("virsh", "net-update"), 1, "there is an existing dhcp host entry in network 'lan'")
        if command == "add":
            dhcp.append(host)
            return
        (one,) = [one for one in same if one.get("mac") == host.get("mac")]
        dhcp.remove(one)

    def reserved(self):
        """{side: {MAC: address}}."""
        return {
            side: {host.get("mac"): host.get("ip") for host in root.findall("ip/dhcp/host")}
            for side, root in self.sides.items()
        }
