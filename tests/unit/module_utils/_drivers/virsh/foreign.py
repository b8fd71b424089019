# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions of libvirt that other tools have written, and what others add to a definition."""

from __future__ import annotations

UUID = "5f6b0e5e-3a1c-4c0b-9d6e-0c7a4f2b1a11"
#: As virt-install and virt-manager write it for a Windows guest, and as an administrator has edited it.
ODD = """<domain type='kvm'>
  <name>odd one</name><uuid>5f6b0e5e-3a1c-4c0b-9d6e-0c7a4f2b1a11</uuid><title>Old</title>
  <description>{{ not a template }}</description>
  <metadata><libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0"/></metadata>
  <memory unit='KiB'>4194304</memory><currentMemory unit='KiB'>2097152</currentMemory>
  <vcpu placement='static' cpuset='0-3'>4</vcpu><iothreads>1</iothreads>
  <cputune><shares>2048</shares></cputune>
  <os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type><boot dev='network'/><boot dev='hd'/>
    <bootmenu enable='yes'/></os>
  <features><acpi/><apic/><hyperv mode='custom'><relaxed state='on'/></hyperv></features>
  <cpu mode='host-model' check='partial'><topology sockets='1' dies='1' cores='2' threads='2'/></cpu>
  <clock offset='localtime'><timer name='rtc' tickpolicy='catchup'/></clock>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>preserve</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none' discard='unmap'/>
      <source file='/data/odd.qcow2'/><target dev='sda' bus='sata'/></disk>
    <disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='/dev/vg/odd'/>
      <target dev='vda' bus='virtio'/><readonly/></disk>
    <disk type='file' device='disk'><driver name='qemu' type='vmdk'/><source file='/data/old.vmdk'/>
      <target dev='sdb' bus='usb'/></disk>
    <disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>
    <disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/iso/w.iso'/>
      <target dev='hda' bus='ide'/><readonly/></disk>
    <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><model type='e1000e'/>
      <bandwidth><inbound average='1000'/></bandwidth></interface>
    <interface type='direct'><mac address='52:54:00:00:00:02'/><source dev='eth0' mode='vepa'/></interface>
    <interface type='user'><mac address='52:54:00:00:00:03'/><model type='virtio'/></interface>
    <input type='tablet' bus='usb'/><graphics type='spice' autoport='yes'/>
    <video><model type='qxl' vram='65536'/></video>
    <sound model='ich9'/><redirdev bus='usb' type='spicevmc'/>
    <hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='0' function='0'/></source></hostdev>
    <memballoon model='none'/>
  </devices>
</domain>"""
#: (where it is added, what is added, pattern of the path that a description must name)
ADDED = (
    ("devices", "<disk type='file' device='cdrom'><driver name='qemu' type='raw' cache='none'/>"
     "<target dev='sdx' bus='sata'/><readonly/></disk>", r"devices/disk\[sdx\]/driver@cache"),
    ("devices", "<disk type='file' device='floppy'><target dev='fdb' bus='fdc'/></disk>", r"devices/disk\[fdb\]"),
    (".", "<memoryBacking><hugepages/></memoryBacking>", r"memoryBacking.*"),
    (".", "<memtune><hard_limit unit='KiB'>9000000</hard_limit></memtune>", "memtune"),
    (".", "<numatune><memory mode='strict' nodeset='0'/></numatune>", "numatune"),
    (".", "<sysinfo type='smbios'/>", r"sysinfo.*"),
    (".", "<pm><suspend-to-disk enabled='yes'/></pm>", "pm"),
    (".", "<launchSecurity type='sev'/>", r"launchSecurity.*"),
    ("clock", "<timer name='hpet' present='no'/>", r"clock/timer(\[\d+\])?"),
    ("os", "<smbios mode='host'/>", r"os/smbios(\[\d+\])?"),
    ("os", "<bios useserial='yes'/>", "os/bios"),
    ("features", "<kvm><hidden state='on'/></kvm>", "features/kvm"),
    ("features", "<pae/>", "features/pae"),
    ("features", "<vmport state='off'/>", r"features/vmport.*"),
    ("cpu", "<feature policy='disable' name='aes'/>", r"cpu/feature(\[\d+\])?"),
    ("cpu", "<numa><cell id='0' cpus='0' memory='65536'/></numa>", r"cpu/numa.*"),
    ("cpu", "<cache mode='passthrough'/>", "cpu/cache"),
    ("devices", "<graphics type='vnc' port='5901' autoport='no'/>", r"devices/graphics.*"),
    ("devices", "<graphics type='egl-headless'/>", r"devices/graphics.*"),
    ("devices", "<video><model type='virtio' heads='2'/></video>", r"devices/video.*"),
    ("devices", "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='4555'/><protocol type='raw'/>"
     "<target port='3'/></serial>", r"devices/serial.*"),
    ("devices", "<parallel type='pty'/>", r"devices/parallel.*"),
    ("devices", "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>",
     r"devices/channel.*"),
    ("devices", "<console type='pty'><target type='virtio' port='1'/></console>", r"devices/console.*"),
    ("devices", "<input type='tablet' bus='usb'/>", r"devices/input.*"),
    ("devices", "<controller type='scsi' index='7' model='lsilogic'/>", r"devices/controller.*"),
    ("devices", "<hub type='usb'/>", "devices/hub.*"),
    ("devices", "<panic model='isa'/>", "devices/panic.*"),
    ("devices", "<vsock model='virtio'><cid auto='yes'/></vsock>", "devices/vsock.*"),
    ("devices", "<sound model='ac97'/>", r"devices/sound.*"),
    ("devices", "<iommu model='intel'/>", "devices/iommu.*"),
    ("devices", "<memory model='dimm'><target><size unit='KiB'>524288</size><node>0</node></target></memory>",
     "devices/memory.*"),
    ("devices", "<filesystem type='mount'><source socket='/run/x'/><target dir='x'/></filesystem>",
     r"devices/filesystem.*"),
    ("devices", "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address "
     "uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>", r"devices/hostdev\[\d+\].*"),
    ("devices", "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>", r"devices/rng(\[2\])?"),
    ("devices/rng", "<rate bytes='1024' period='1000'/>", "devices/rng/rate|devices/rng"),
    ("devices/memballoon", "<stats period='5'/>", "devices/memballoon(/stats)?"),
    ("devices/disk", "<iotune><read_iops_sec>10</read_iops_sec></iotune>", r"devices/disk\[\w+\]/iotune"),
    ("devices/disk", "<encryption format='luks'/>", r"devices/disk\[\w+\]/encryption.*"),
    ("devices/disk", "<auth username='u'/>", r"devices/disk\[\w+\]/auth.*"),
    ("devices/interface", "<link state='down'/>", r"devices/interface\[1\]/link"),
    ("devices/interface", "<mtu size='9000'/>", r"devices/interface\[1\]/mtu"),
    ("devices/interface", "<vlan><tag id='5'/></vlan>", r"devices/interface\[1\]/vlan"),
    ("devices/interface", "<filterref filter='clean-traffic'/>", r"devices/interface\[1\]/filterref"),
    ("devices/interface", "<virtualport type='openvswitch'/>", r"devices/interface\[1\]/virtualport"),
    ("devices/interface", "<portForward proto='udp'><range start='10' end='20'/></portForward>",
     r"devices/interface\[1\]/portForward.*"),
)  # fmt: skip
THEIRS = "/var/lib/pvg-theirs"
_F, _S, _Q = f"{THEIRS}/file", f"{THEIRS}/socket", "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
_DEVICES = {
    "device of the host": (
        "<disk type='nvme'><source path='{}'/></disk>", "<disk type='vhostvdpa'><source path='{}'/></disk>",
        "<input type='evdev'><source dev='{}'/></input>", "<interface type='hostdev'><source dev='{}'/></interface>",
        "<input type='passthrough' bus='virtio'><source evdev='{}'/></input>",
        "<interface type='vdpa'><source dev='{}'/></interface>", "<graphics type='sdl' xauth='{}'/>",
        "<lease><lockspace>s</lockspace><key>k</key><target path='{}'/></lease>",
        "<interface type='direct'><source dev='{}' mode='passthrough'/></interface>",
        "<smartcard mode='host-certificates'><certificate>a</certificate><certificate>b</certificate><certificate>c"
        "</certificate><database>{}</database></smartcard>",
    ),
    "socket of the host": (
        "<interface type='vhostuser'><source type='unix' path='{}' mode='client'/><model type='virtio'/></interface>",
        "<graphics type='vnc'><listen type='socket' socket='{}'/></graphics>", "<graphics type='vnc' socket='{}'/>",
        "<tpm><backend type='external'><source type='unix' mode='connect' path='{}'/></backend></tpm>",
        "<rng model='virtio'><backend model='egd' type='unix'><source mode='connect' path='{}'/></backend></rng>",
        "<disk type='vhostuser'><source type='unix' path='{}'/><target dev='vdq' bus='virtio'/></disk>",
    ),
    "file, device or socket of the host": (
        *(f"<serial type='{kind}'><source path='{{}}'/></serial>" for kind in ("file", "pipe", "dev")),
        "<channel type='unix'><source mode='bind' path='{}'/><target type='virtio' name='x'/></channel>",
    ),
    "file or device of the host": (
        "<rng model='virtio'><backend model='random'>{}</backend></rng>", "<audio id='2' type='file' path='{}'/>",
        "<interface type='user'><rom file='{}'/></interface>",
        "<graphics type='egl-headless'><gl rendernode='{}'/></graphics>",
        "<memory model='virtio-pmem'><source><path>{}</path></source></memory>",
        "<tpm><backend type='emulator'><source type='dir' path='{}'/></backend></tpm>",
    ),
    "shared directory": ("<filesystem type='mount'><source dir='{}'/><target dir='x'/></filesystem>",),
    "shared memory": ("<shmem name='s'><model type='ivshmem-doorbell'/><server path='{}'/></shmem>",),
    "script of a NIC": (
        "<interface type='ethernet'><script path='{}'/></interface>",
        "<interface type='ethernet'><downscript path='{}'/></interface>",
    ),
    "log file": ("<serial type='pty'><log file='{}'/></serial>",),
    "NVDIMM": ("<memory model='nvdimm'><source><path>{}</path></source></memory>",),
    "TPM of the host": ("<tpm><backend type='passthrough'><device path='{}'/></backend></tpm>",),
}  # fmt: skip
_BOOTED = {"kernel": "kernel", "initrd": "initrd", "dtb": "device tree", "loader": "loader"}
#: (what leads out of a VM, as it is reported, where it is added, what is added)
LEADING_OUT = (
    *((f"{what} ({_F})", "devices", part.format(_F)) for what, parts in _DEVICES.items() for part in parts),
    *((f"{what} ({_F})", "os", f"<{tag}>{_F}</{tag}>") for tag, what in _BOOTED.items()),
    (f"ACPI table ({_F})", "os", f"<acpi><table type='slic'>{_F}</table></acpi>"),
    ("loader (/usr/share/../../tmp/loader)", "os", "<loader>/usr/share/../../tmp/loader</loader>"),
    ("device of the host", "devices",
     "<hostdev mode='subsystem' type='usb'><source><vendor id='1'/><product id='1'/></source></hostdev>"),
    ("device of the host", "devices", "<smartcard mode='host'/>"),
    ("socket of the host", "devices", "<serial type='tcp'><source mode='bind' host='::1' service='5558'/></serial>"),
    ("socket of the host", "devices", "<interface type='server'><source address='::1' port='5558'/></interface>"),
    ("memory file", ".", "<memoryBacking><source type='file'/><access mode='shared'/></memoryBacking>"),
    ("security label", ".", "<seclabel type='none' model='dac'/>"),
    (f"file or device of the host ({_F})", ".", f"<sysinfo type='fwcfg'><entry file='{_F}' name='opt/x'/></sysinfo>"),
    (f"qemu:commandline ({_F})", ".", f"<qemu:commandline {_Q}><qemu:arg value='{_F}'/></qemu:commandline>"),
)  # fmt: skip
#: {what is in a drive, and is no ISO image beside images: the drive}
MEDIA = {name: f"<disk type='{kind}' device='{device}'><source {source}='{name}'/><target dev='{target}'/></disk>"
         for name, kind, device, source, target in (
             (_F, "file", "floppy", "file", "fda"), (f"{_F}1", "file", "cdrom", "file", "sdq"),
             (f"{_F}2", "block", "cdrom", "dev", "sdq"), (f"{THEIRS}/", "dir", "cdrom", "dir", "sdq"))}  # fmt: skip
#: (element, attribute or None for its text, another value that libvirt accepts)
OTHERS = (
    ("devices/disk", "device", "lun"),
    ("devices/graphics", "listen", "0.0.0.0"),
    ("devices/graphics", "autoport", "no"),
    ("devices/graphics", "port", "5901"),
    ("devices/graphics/listen", "address", "::"),
    ("devices/video/model", "type", "virtio"),
    ("devices/video/model", "heads", "2"),
    ("os/type", "arch", "aarch64"),
    ("os/type", "machine", "pc-i440fx-7.2"),
    ("devices/memballoon", "model", "none"),
    ("devices/rng/backend", "model", "egd"),
    ("devices/rng/backend", None, "/dev/random"),
    ("devices/tpm", "model", "tpm-tis"),
    ("devices/tpm/backend", "version", "1.2"),
    ("devices/channel/target", "name", "org.example.0"),
    ("devices/serial", "type", "tcp"),
    ("devices/controller", "model", "lsilogic"),
    ("devices/input", "bus", "usb"),
    ("devices/filesystem", "accessmode", "squash"),
    ("clock", "offset", "variable"),
    ("vcpu", "placement", "auto"),
    ("cpu", "mode", "maximum"),
    (".", "type", "kvm"),
)
