# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Appliances for tests: descriptors as VMware writes them, disks, and archives of both."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

_SPACES = (
    'xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"'
    ' xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"'
    ' xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/X"'
)

#: A class of properties: one with a default, a password, and one that users cannot set.
PROPERTIES = (
    '<ProductSection ovf:class="com.x"><Info/>'
    '<Property ovf:key="login" ovf:type="string" ovf:userConfigurable="true" ovf:value="admin"/>'
    '<Property ovf:key="password" ovf:type="string" ovf:password="true" ovf:userConfigurable="true"/>'
    '<Property ovf:key="model" ovf:type="string" ovf:value="X1"/></ProductSection>'
)


def item(kind, number, configuration="", **values):
    """One device; ``values`` are its other elements, such as Parent."""
    chosen = f' ovf:configuration="{configuration}"' if configuration else ""
    rest = "".join(f"<rasd:{name}>{value}</rasd:{name}>" for name, value in values.items())
    own = f"<rasd:InstanceID>{number}</rasd:InstanceID><rasd:ResourceType>{kind}</rasd:ResourceType>"
    return f"<Item{chosen}>{own}{rest}</Item>"


def hardware(*items, cpus=1, memory=64, transport=""):
    basic = item(3, 1, VirtualQuantity=cpus) + item(4, 2, AllocationUnits="byte * 2^20", VirtualQuantity=memory)
    way = f' ovf:transport="{transport}"' if transport else ""
    return f"<VirtualHardwareSection{way}><Info/>{basic}{''.join(items)}</VirtualHardwareSection>"


def sata(*disks):
    """A SATA controller with disks: (ID of the disk, port)."""
    attached = (
        item(17, 20 + at, Parent=3, AddressOnParent=port, HostResource=f"ovf:/disk/{name}")
        for at, (name, port) in enumerate(disks)
    )
    return item(20, 3, ResourceSubType="AHCI") + "".join(attached)


def nic(network="VM Network", number=40, model="E1000"):
    return item(10, number, Connection=network, ResourceSubType=model)


def envelope(body, files=(), disks=(), more=""):
    """``files``: (ID, href, further attributes); ``disks``: (ID, file, capacity)."""
    references = "".join(f'<File ovf:id="{one}" ovf:href="{href}" {rest}/>' for one, href, rest in files)
    listed = "".join(
        f'<Disk ovf:diskId="{one}" ovf:capacity="{size}"' + (f' ovf:fileRef="{file}"/>' if file else "/>")
        for one, file, size in disks
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Envelope {_SPACES}><References>{references}</References>'
        f"<DiskSection><Info/>{listed}</DiskSection>{more}"
        f'<VirtualSystem ovf:id="vm"><Info/><Name>sample</Name>{body}</VirtualSystem></Envelope>'
    )


def one_disk(*more, file="disk1.vmdk", attributes="", sections="", **about):
    """A VM with one disk at a SATA port."""
    body = sections + hardware(sata(("d1", 0)), *more, **about)
    return envelope(body, [("f1", file, attributes)], [("d1", "f1", 16 * 1024**2)])


def disk(path, image_format="vmdk", byte=None, size="16M", options="subformat=streamOptimized"):
    """Create a disk; its first 64 KiB are ``byte``. Returns its content."""
    raw = path.with_suffix(".raw")
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", raw, size], check=True)
    if byte is not None:
        raw.write_bytes(bytes([byte]) * 65536 + b"\0" * (raw.stat().st_size - 65536))
    words = ["-o", options] if image_format == "vmdk" and options else []
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", image_format, *words, raw, path], check=True)
    raw.unlink()
    return path.read_bytes()


def damaged(disk):
    """Return a stream-optimized VMDK with a grain that cannot be unpacked; its header shows nothing of that."""
    begin = disk.index(b"\x78", 65536 + 12)
    return disk[:begin] + b"\0" * 16 + disk[begin + 16 :]


def manifest(files, line="SHA256({})= {}", algorithm="sha256"):
    return "".join(
        line.format(name, hashlib.new(algorithm, content).hexdigest()) + "\r\n" for name, content in files.items()
    )


def archive(path, files):
    """Write an OVA with these {name: content}, in this order."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as target:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return str(path)


def ova(path, descriptor, disks, with_manifest=True, **about):
    """Write an OVA of a descriptor and {name: content of a disk}."""
    files = {"vm.ovf": descriptor.encode(), **disks}
    if with_manifest:
        files["vm.mf"] = manifest(files, **about).encode()
    return archive(path, files)


def published(server, source):
    """Publish an appliance, and return the suboptions with its address."""
    content = Path(source).read_bytes()
    server.files["/x.ova"] = content
    return {"source": f"{server.url}/x.ova", "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}"}
