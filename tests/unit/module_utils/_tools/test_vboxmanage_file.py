# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a settings file, as VirtualBox 7.2.22 has written it."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage_file import settings_file

HARDWARE = """<VirtualBox xmlns="http://www.virtualbox.org/" version="1.20-linux">
<Machine uuid="{1}" name="u"><Hardware>
<Network>
<Adapter slot="0" enabled="true" MACAddress="08002728E5DC" trace="true" tracefile="/tmp/x.pcap" type="82540EM"><NAT/>
</Adapter><Adapter slot="1" type="82540EM"/>
</Network>
<UART><Port slot="0" enabled="true" IOAddress="0x3f8" IRQ="4" server="true" path="/tmp/sock" hostMode="HostPipe"/>
<Port slot="1" enabled="true" IOAddress="0x2f8" IRQ="3" hostMode="Disconnected"/></UART>
<LPT><Port slot="0" enabled="true" IOBase="0x378" IRQ="7" path="/dev/parport0"/></LPT>
</Hardware></Machine></VirtualBox>"""


def test_what_leads_out_of_a_vm():
    file = settings_file(HARDWARE)
    assert file.trace_files == {1: "/tmp/x.pcap"}
    assert [(what, path, " ".join(words)) for what, path, words in file.ways_out] == [
        ("serial port 1", "/tmp/sock", "--uartmode1 disconnected"),
        ("parallel port 1", "/dev/parport0", "--lpt1 off"),
        ("trace of NIC 1", "/tmp/x.pcap", "--nictrace1 off --nictracefile1 "),
    ]
