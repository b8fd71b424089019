# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the checks of images that others made: the files that they name, and the size of a VHD."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils"
_RULE = "_media/foreign_image.py"
_FOREIGN = [f"{_UNIT}/_media/test_foreign_image.py"]
_VIRSH = [f"{_UNIT}/_drivers/virsh/test_foreign_images.py"]
_VBOX = [f"{_UNIT}/_drivers/vbox/test_foreign_images.py"]
_VMM = [f"{_UNIT}/_drivers/vmm/test_foreign_images.py"]

MUTATIONS = (
    Mutation("text-vmdk-has-its-data", _RULE, "disk_header.is_sparse_vmdk(begin)", "True", _FOREIGN),
    Mutation("sparse-vmdk-without-capacity-has-its-data", "_media/disk_header.py::is_sparse_vmdk",
             'bool(_number("<Q", begin[12:20]))', "True", _FOREIGN),
    Mutation("vmdk-without-a-first-comment-is-raw", "_media/disk_header.py::format_in",
             '"vmdk" if _DESCRIPTOR.match(begin) else None', "None", _FOREIGN),
    Mutation("parent-of-a-vmdk-is-read", f"{_RULE}::_of_vmdk", 'ids - {_NO_PARENT}', "set()", _FOREIGN),
    Mutation("named-parent-of-a-vmdk-is-read", _RULE, 'b"parentFileNameHint" in description', "False", _FOREIGN),
    Mutation("parent-of-a-vdi-is-lost", _RULE, "begin[_VDI_TYPE] == _VDI_DIFFERENCING", "False", _FOREIGN),
    Mutation("parent-of-a-vhd-is-lost", _RULE, "_VHD_DIFFERENCING in (begin[_VHD_TYPE], end[_VHD_TYPE])", "False",
             _FOREIGN),
    Mutation("parent-of-a-vhdx-is-lost", _RULE, "_vhdx_has_parent(path)", "False", _FOREIGN),
    Mutation("data-file-of-an-image-is-read", "_media/disk_header.py::qcow_names",
             "bool((features or 0) & _EXTERNAL_DATA)", "False", _FOREIGN),
    Mutation("backing-file-of-an-image-is-read", "_media/disk_header.py::qcow_names", "bool(place)", "False", _FOREIGN),
    Mutation("other-resources-are-below-a-disk", _RULE, "local is None or image_format not in _FILES",
             "image_format not in _FILES", _FOREIGN),
    Mutation("files-below-a-disk-are-not-checked", _RULE, "named and named not in accepted", "False", _FOREIGN),
    Mutation("recorded-format-of-a-base-is-ignored", "_media/disk_header.py::names_in_qcow",
             "_extension(path, _BACKING_FORMAT)", "None", _FOREIGN),
    Mutation("unpacked-image-is-not-checked", "_media/unpack.py", 'not chain or chain[-1].verb != "convert"',
             "False", _FOREIGN),
    Mutation("converted-image-is-not-checked", "_media/unpack.py", "foreign_image.named_by(path, image_format)",
             "False", _FOREIGN),
    Mutation("image-of-libvirt-may-name-files", "_drivers/virsh/needed.py",
             "{IMAGE: (), DISK: (foreign_image.BACKING, foreign_image.DATA)}",
             "dict.fromkeys((IMAGE, DISK), (foreign_image.BACKING, foreign_image.DATA))", _VIRSH),
    Mutation("foreign-image-of-libvirt-is-not-checked", "_drivers/virsh/needed.py::image", "item.purpose == COPIED",
             "True", _VIRSH),
    Mutation("foreign-image-of-vmd-is-not-checked", "_drivers/vmm/needed.py::image",
             "foreign_image.fault_of(item.path, image_format) if item.purpose == IMAGE else None", "None", _VMM),
    Mutation("foreign-image-of-virtualbox-is-not-checked", "_drivers/vbox/needed.py::image",
             "foreign_image.fault_of(item.path, image_format, _ACCEPTED[item.purpose])", "None", _VBOX),
    Mutation("vhd-is-read-by-its-geometry", "_tools/qemu_img.py::_source", "name == _VHD", "False", _FOREIGN),
    Mutation("vhd-of-fixed-size-is-probed", "_media/disk_header.py::known_format",
             '"vhd" if footer(path).startswith(_VHD) else None', "None", _VIRSH),
    Mutation("vhd-of-fixed-size-is-attached-as-raw", "_drivers/virsh/storage.py::format_of",
             "disk_header.known_format(source)", "None", _VIRSH),
    Mutation("vm-sees-a-shorter-vhd", "_drivers/virsh/needed.py::image",
             "info.virtual_size != disk_header.capacity(item.path)", "False", _VIRSH),
    Mutation("size-of-a-linked-vhd-is-that-of-a-copy", "_drivers/virsh/needed.py::image",
             "item.linked or item.purpose == DISK", "item.purpose == DISK", _VIRSH),
)  # fmt: skip
