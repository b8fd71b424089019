# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of other modules and tools, and the options that set the same here. Only errors need them.

docs/migration.md has the same table, and the roles find misspelt variables with it.
"""

from __future__ import annotations

import re

#: {what to write instead: words}: an option, or an example of it. The first whose option the module has is used.
WORDS = {
    "appliance": "ova ovf",
    "cpus": "cpu cores core_count vcpu vcpus num_cpus num_vcpus numcpus cpu_count cpu_cores sockets number_of_cpus",
    "memory": "ram mem maxmem memory_mb memory_gb memory_mib memory_size ram_mb startup_memory current_memory",
    "disks: [{size: 40G}]": "disk disk_size disk_gb disk_size_gb size_gb disksize root_disk_size boot_disk_size volume"
    " volumes volume_size hdd hard_disk hard_disks drive drives storage_size root_size scsi virtio sata",
    "image: debian-13": "base_image os_image image_url image_path cloud_image source_image disk_image img qcow2 box"
    " base_box import_from file_id os_version distro tarball base_volume base_volume_id backing_store ova ovf",
    "clone: NAME": "template template_name clone_from clone_vm_id base_vm source_vm parent parent_vm vm_template"
    " based_on source_distro base_distro",
    "cdroms: [{slot: sata1, source: /path/drivers.iso}]": "cds dvds dvd_drives optical_drives second_iso isos",
    "iso": "cdrom dvd cd iso_path iso_file iso_image install_iso boot_iso location installation_media",
    "networks: [{source: NAME}]": "network net nets net0 nic nics network_name network_device network_devices"
    " network_interface network_interfaces interface interfaces netif portgroup switch switch_name"
    " network_adapters bridge bridge_name",
    "networks: [{vlan: 10}]": "vlan vlan_id vlan_tag",
    "networks: [{mac: '52:54:00:12:34:56'}]": "mac mac_address macaddress hwaddr",
    "cloud_init: {ip_config: ['ip=192.0.2.10/24,gw=192.0.2.1']}": "ip ip_address ipaddress ipv4 static_ip gateway"
    " netmask ipconfig ipconfig0 ip_config addresses",
    "addresses: [192.0.2.1/24]": "ip ip_address ipaddress cidr subnet address netmask",
    "ranges": "dhcp dhcp_range dhcp_ranges dhcp_start dhcp_end",
    "mode": "forward forward_mode",
    "cloud_init: {nameservers: [192.0.2.53]}": "nameserver nameservers dns dns_server dns_servers",
    "cloud_init: {search_domains: [example.com]}": "searchdomain searchdomains search_domain search_domains dns_domain",
    "cloud_init: {user_data: {packages: [git]}}": "user_data userdata cloudinit cloud_config cloud_init_user_data"
    " user_data_file user_data_file_id initialization",
    "cloud_init: {network_config: {version: 2}}": "network_config",
    "cloud_init: {meta_data: {local-hostname: NAME}}": "meta_data hostname host_name fqdn local_hostname",
    "cloud_init: {ssh_authorized_keys: \"{{ lookup('file', '~/.ssh/id_ed25519.pub') }}\"}": "ssh_key ssh_keys sshkey"
    " sshkeys ssh_public_key ssh_public_keys ssh_authorized_key ssh_authorized_keys ssh_key_file authorized_keys"
    " public_key pubkey",
    "cloud_init: {user: NAME}": "user username ciuser admin_user login_user cloud_user",
    "default_user": "user username admin_user login_user",
    "cloud_init: {password: TEXT}": "password root_password user_password admin_password cipassword passwd",
    "autostart": "onboot on_boot start_on_boot start_at_boot auto_start autoboot boot_on_start automatic_start",
    "firmware: uefi": "bios uefi efi ovmf loader boot_firmware efidisk0 efi_disk generation",
    "tpm": "tpm_state tpmstate0 vtpm tpm2 virtual_tpm",
    "os_type": "os guest_os guest_id os_variant os_family ostype osinfo operating_system guest_type",
    "description": "notes note annotation comment comments descr desc",
    "tags": "labels label tag",
    "id": "vmid vm_id uuid vm_uuid newid machine_id",
    "name": "vm_name domain domain_name guest guest_name vm instance instance_name machine_name server server_name",
    "machines: [{name: web1}, {name: web2}]": "vms vm_list instances guests servers count replicas domains for_each",
    "state: started": "running started power power_state powered_on power_on status",
    "stop_mode: force": "force force_stop hard_stop kill",
    "wait_for: address": "wait wait_for_ip wait_for_ip_address wait_for_lease wait_for_network wait_for_address",
    "wait_for: ssh": "wait_for_ssh wait_ssh",
    "timeout": "wait_timeout wait_seconds create_timeout timeout_create",
    "delete_disks": "delete_volumes remove_disks remove_all_storage remove_storage delete_storage purge_disks"
    " delete_data undefine_flags",
    "display": "graphics vnc spice vga video console_type",
    "devices": "hostpci hostpci0 usb usb0 pci pci_devices hostdev host_devices passthrough gpu",
    "shared_folders": "shared_folder synced_folder synced_folders mounts shares filesystems filesystem share",
    "port_forwards": "forwarded_port forwarded_ports port_forward port_forwarding ports publish nat_rules",
    "boot_order": "boot boot_devices boot_device bootdisk boot_dev",
    "nested_virtualization": "nested nested_virt nested_hv enable_virtualization_extensions",
    "checkpoint_type": "checkpoints",
    "dynamic_memory": "balloon ballooning",
    "minimum_memory": "memory_min min_memory memory_minimum",
    "maximum_memory": "memory_max max_memory memory_maximum",
    "native": "xml xslt args extra_args qemu_args qemu_commandline raw extra_config custom_config cpu_type cpu_mode"
    " machine machine_type hotplug numa balloon customize advanced_settings vm_options",
    "expires": "ttl lifetime expire expiry expiration expires_at expires_after",
    "platform": "provider hypervisor driver virt virt_type backend connector",
    "api_host": "host api_url url endpoint proxmox_url proxmox_host server_url",
    "api_token_id": "token_id token proxmox_token_id",
    "verify_ssl": "validate_certs insecure ssl_verify",
    "pool": "pool_id resource_pool",
    "storage": "datastore datastore_id storage_pool",
    "storage_path": "datastore storage pool storage_pool vm_folder folder target_path install_location",
    "node": "node_name target target_node",
    "uri": "connection connect libvirt_uri libvirt_url hypervisor_uri",
    "device": "source_device source_devices",
    "include_memory": "vmstate with_memory ram_snapshot",
    "snapshot": "snapname snapshot_name snap snap_name",
    "keep_last": "retention retain prune_backups maxfiles keep",
    "directory": "backup_dir backup_directory backup_path dumpdir dest",
    "max_age": "schedule starttime",
    "consistency": "mode quiesce",
    "backup": "archive vzdump backup_id",
    "new_name": "restore_as",
}  # fmt: skip
#: {option: {suboption: words}}
SUBOPTIONS = {
    "disks": {
        "size": "capacity size_gb size_mb disk_size gb",
        "source": "path file volume image volume_id file_id filename",
        "slot": "device target interface dev bus unit controller",
        "storage": "datastore datastore_id pool storage_pool",
        "format": "file_format driver",
        "iops_limit": "iops total_iops_sec maximum_iops iops_max",
        "bandwidth_limit": "mbps bps bandwidth total_bytes_sec speed throughput",
    },
    "cdroms": {
        "source": "path file iso image medium filename",
        "slot": "device target interface dev bus unit controller",
    },
    "networks": {
        "source": "bridge network name network_name switch portgroup network_id device",
        "mac": "mac_address macaddress hwaddr",
        "address": "ip ip_address ipaddress addresses",
        "model": "driver nic_type adapter adapter_type interface_model",
        "vlan": "tag vlan_id vlan_tag native_vlan native_vlan_id",
        "trunk": "trunks vlans allowed_vlans allowed_vlan_id_list tagged_vlans vlan_trunk",
        "mac_spoofing": "macspoof mac_address_spoofing forged_transmits",
    },
    "image": {"source": "url path name file src"},
    "clone": {"source": "name vm template vm_id from"},
    "cloud_init": {
        "ssh_authorized_keys": "ssh_key ssh_keys sshkeys ssh_public_key ssh_public_keys authorized_keys keys",
        "user": "username ciuser name",
        "password": "cipassword passwd",
        "ip_config": "ip ip_address ipconfig ipconfig0 address addresses",
        "nameservers": "nameserver dns dns_servers",
        "search_domains": "searchdomain searchdomains search_domain domain",
        "meta_data": "hostname local_hostname fqdn instance_id",
        "user_data": "packages runcmd write_files users cloud_config",
    },
    "port_forwards": {
        "guest_port": "guest port guestport container_port to",
        "host_port": "host hostport published from",
        "protocol": "proto",
        "host_address": "host_ip hostip",
    },
    "shared_folders": {
        "host_path": "path source src host hostpath",
        "guest_path": "target dest destination mount mount_point guest",
        "read_only": "readonly ro",
    },
    "display": {"video_memory": "vram memory"},
    "devices": {"id": "address device host", "type": "kind"},
}  # fmt: skip
#: {option with suboptions: an example}
EXAMPLES = {
    "disks": "{size: 40G}",
    "cdroms": "{slot: sata1, source: /path/drivers.iso}",
    "networks": "{source: NAME}",
    "port_forwards": "{name: web, host_port: 8080, guest_port: 80}",
    "shared_folders": "{name: data, host_path: /srv/data}",
    "cloud_init": "{user: NAME}",
    "filters": "{state: [running]}",
    "limits": "{vms: 5}",
}
_NAMES = re.compile(r"\w+(?=:)|^\w+$")
_VALUE = re.compile(r"\w+: (\w+)$")


def instead_of(word, options):
    """What to write instead of a word, for a module with these options, or None."""
    return next((text for text, words in WORDS.items() if word in words.split() and _is_permitted(text, options)), None)


def names_in(text):
    """The option and, if there is one, the suboption in what to write: ["cloud_init", "user_data"]."""
    return _NAMES.findall(text)[:2]


def _is_permitted(text, options):
    name, *suboption = names_in(text)
    option, value = options.get(name), _VALUE.match(text)
    if option is None or (suboption and suboption[0] not in option.options and name != "machines"):
        return False
    choices = option.choices or getattr(option.options.get(option.short), "choices", ())
    return not (value and choices) or value[1] in choices


def suboption_instead_of(option, word, suboptions):
    """The suboption of an option for a word, or None."""
    words = SUBOPTIONS.get(option, {})
    return next((name for name, others in words.items() if word in others.split() and name in suboptions), None)
