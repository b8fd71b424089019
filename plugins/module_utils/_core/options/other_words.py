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
    "appliance": "ova ovf ovf_path ova_path",
    "cpus": "cpu cores core_count vcpu vcpus num_cpus num_vcpus numcpus cpu_count cpu_cores sockets number_of_cpus"
    " cores_per_socket cpu_number processors vcpu_count cpu_total",
    "memory": "ram mem maxmem memory_mb memory_gb memory_mib memory_size ram_mb startup_memory current_memory"
    " memory_startup_bytes memory_bytes size_mb memory_dedicated maxmemory memory_size_mb",
    "disks: [{size: 40G}]": "disk disk_size disk_gb disk_size_gb size_gb disksize root_disk_size boot_disk_size"
    " volume volumes volume_size hdd hard_disk hard_disks drive drives storage_size root_size scsi virtio sata ide"
    " nvme scsi0 virtio0 sata0 ide0 disk0 machine_virtual_size disk_size_mb hdds vhd size vhdx disk_gib",
    "image: debian-13": "source base_image os_image image_url image_path cloud_image source_image disk_image img"
    " qcow2 box base_box import_from file_id os_version distro tarball base_volume base_volume_id backing_store ova"
    " ovf cloud_image_url source_url base_disk ostemplate image_name image_file image_source vhd_path box_name",
    "image: {source: debian-13, checksum: 'sha256:DIGITS'}": "image_checksum box_checksum checksum_url",
    "image: {source: debian-13, refresh: true}": "force_pull always_pull refresh_image",
    "clone: NAME": "template template_name clone_from clone_vm_id base_vm source_vm parent parent_vm vm_template"
    " based_on source_distro base_distro clone_id clone_source source_vm_id src_vm source_template instance_of",
    "clone: {source: NAME, linked: true}": "linked_clone link_clone differencing_disk",
    "clone: {source: NAME, linked: false}": "full full_clone",
    "cdroms: [{slot: sata1, source: /path/drivers.iso}]": "cds dvds dvd_drives optical_drives second_iso isos",
    "iso": "cdrom dvd cd iso_path iso_file iso_image install_iso boot_iso location installation_media iso_url"
    " cdrom_file cdrom_iso",
    "networks: [{source: NAME}]": "network net nets net0 nic nics network_name network_device network_devices"
    " network_interface network_interfaces interface interfaces netif portgroup switch switch_name network_adapters"
    " bridge bridge_name net1 adapters nic_type network_id networking private_network public_network",
    "networks: [{vlan: 10}]": "vlan vlan_id vlan_tag",
    "networks: [{mac: '52:54:00:12:34:56'}]": "mac mac_address macaddress hwaddr hw_address base_mac",
    "cloud_init: {ip_config: ['ip=192.0.2.10/24,gw=192.0.2.1']}": "ip ip_address ipaddress ipv4 static_ip gateway"
    " netmask ipconfig ipconfig0 ip_config addresses ipconfig1 ipv4_address ip_addresses ipv6 private_ip",
    "addresses: [192.0.2.1/24]": "ip ip_address ipaddress cidr subnet address netmask",
    "ranges": "dhcp dhcp_range dhcp_ranges dhcp_start dhcp_end", "mode": "forward forward_mode",
    "cloud_init: {nameservers: [192.0.2.53]}": "nameserver nameservers dns dns_server dns_servers",
    "cloud_init: {search_domains: [example.com]}": "searchdomain searchdomains search_domain search_domains"
    " dns_domain",
    "cloud_init: {user_data: {packages: [git]}}": "user_data userdata cloudinit cloud_config cloud_init_user_data"
    " user_data_file user_data_file_id initialization cicustom custom_data vendor_data user_data_path"
    " customization_spec", "cloud_init: {network_config: {version: 2}}": "network_config",
    "cloud_init: {meta_data: {local-hostname: NAME}}": "meta_data hostname host_name fqdn local_hostname"
    " computer_name guest_hostname",
    "cloud_init: {ssh_authorized_keys: \"{{ lookup('file', '~/.ssh/id_ed25519.pub') }}\"}": "ssh_key ssh_keys sshkey"
    " sshkeys ssh_public_key ssh_public_keys ssh_authorized_key ssh_authorized_keys ssh_key_file authorized_keys"
    " public_key pubkey", "cloud_init: {user: NAME}": "user username ciuser admin_user login_user cloud_user",
    "default_user": "user username admin_user login_user",
    "cloud_init: {password: TEXT}": "password root_password user_password admin_password cipassword passwd",
    "autostart": "onboot on_boot start_on_boot start_at_boot auto_start autoboot boot_on_start automatic_start"
    " automatic_start_action boot_autostart start_with_host",
    "firmware: uefi": "bios uefi efi ovmf loader boot_firmware efidisk0 efi_disk generation boot_type nvram"
    " loader_type", "tpm": "tpm_state tpmstate0 vtpm tpm2 virtual_tpm tpm_devices", "architecture": "arch cpu_arch",
    "rtc: localtime": "localtime",
    "os_type": "os guest_os guest_id os_variant os_family ostype osinfo operating_system guest_type",
    "description": "notes note annotation comment comments descr desc", "tags": "labels label tag",
    "id": "vmid vm_id uuid vm_uuid newid machine_id moid instance_uuid domain_id",
    "host": "server hostname source_host nfs_server", "export": "source source_path source_dir share",
    "name": "vm_name domain domain_name guest guest_name vm instance instance_name machine_name server server_name"
    " vmname display_name",
    "machines: [{name: web1}, {name: web2}]": "vms vm_list instances guests servers count replicas domains for_each",
    "state: started": "running started power power_state powered_on power_on status command vm_state desired_state"
    " powerstate power_status start active is_running",
    "stop_mode: force": "force force_stop hard_stop kill force_power_off force_poweroff stop_on_destroy",
    "wait_for: address": "wait wait_for_ip wait_for_ip_address wait_for_lease wait_for_network wait_for_address",
    "wait_for: cloud_init": "wait_for_cloud_init wait_for_cloud_init_reboot cloud_init_wait",
    "wait_for: ssh": "wait_for_ssh wait_ssh",
    "timeout": "wait_timeout wait_seconds create_timeout timeout_create url_timeout cloud_init_reboot_timeout"
    " timeout_clone timeout_start_vm timeout_migrate boot_timeout state_change_timeout",
    "stop_timeout": "timeout_shutdown_vm timeout_stop_vm shutdown_timeout graceful_timeout graceful_halt_timeout"
    " graceful_shutdown_timeout",
    "allow_restart": "allow_power_cycling allow_reboot automatic_reboot reboot_after_update reboot",
    "allow_recreate": "recreate force_recreate force_create force_disk",
    "delete_disks: all": "delete_volumes remove_disks remove_all_storage remove_storage delete_storage purge_disks"
    " delete_data undefine_flags purge_on_destroy delete_unreferenced_disks_on_destroy destroy_unreferenced_disks",
    "delete_disks: none": "delete_from_inventory keep_disks", "display: {type: vnc}": "vnc",
    "display: {type: spice}": "spice",
    "display": "graphics vga video console_type graphics_devices graphics_type video_devices video_type",
    "devices": "hostpci hostpci0 usb usb0 pci pci_devices hostdev host_devices passthrough gpu usb_devices gpus",
    "shared_folders": "shared_folder synced_folder synced_folders mounts shares filesystems filesystem share virtiofs",
    "port_forwards": "forwarded_port forwarded_ports port_forward port_forwarding ports publish nat_rules nat_ports"
    " hostfwd", "boot_order": "boot boot_devices boot_device bootdisk boot_dev",
    "nested_virtualization": "nested nested_virt nested_hv enable_virtualization_extensions hardware_virtualization"
    " expose_hardware_virtualization", "checkpoint_type": "checkpoints", "dynamic_memory": "balloon ballooning",
    "minimum_memory": "memory_min min_memory memory_minimum memory_minimum_bytes",
    "maximum_memory": "memory_max max_memory memory_maximum memory_maximum_bytes",
    "max_memory": "maximum_memory maxmemory memory_max", "max_cpus": "maxcpus max_vcpus maxvcpus vcpu_max",
    "watchdog": "watchdog_devices",
    "native": "xml xslt args extra_args qemu_args qemu_commandline raw extra_config custom_config cpu_type cpu_mode"
    " machine machine_type hotplug numa balloon customize advanced_settings vm_options cpu_model cpuunits cpulimit"
    " acpi agent kvm tablet startup scsihw smbios rng0 hugepages serial parallel audio hookscript numa_enabled"
    " memorybacking metadata events resource sysinfo numatune memtune blkiotune cputune security keywrap iothreads"
    " features clock pm launch_security hardware_version keyboard_layout tdf freeze startdate",
    "expires": "ttl lifetime expire expiry expiration expires_at expires_after",
    "platform": "provider hypervisor driver virt virt_type backend connector",
    "api_host": "host api_url url endpoint proxmox_url proxmox_host server_url pm_api_url proxmox_api_url hostname",
    "api_user": "pm_user proxmox_user user username", "api_password": "pm_password proxmox_password password",
    "api_token_id": "token_id token proxmox_token_id pm_api_token_id",
    "api_token_secret": "token_secret pm_api_token_secret proxmox_token_secret",
    "verify_ssl": "validate_certs ssl_verify", "verify_ssl: false": "insecure pm_tls_insecure tls_insecure",
    "pool": "pool_id resource_pool", "storage": "datastore datastore_id storage_pool storage_id datastore_cluster",
    "image_directory": "image_storage image_cache_dir cache_dir image_dir image_store images_path",
    "image_storage": "image_directory image_cache_dir image_store image_dir", "start_type: gui": "gui",
    "start_type: headless": "headless", "gui": "start_type show_gui",
    "storage_path": "datastore storage pool storage_pool vm_folder folder target_path install_location disk_path"
    " vm_path base_folder disk_directory storage_pool_name pool_path",
    "node": "node_name target target_node esxi_host pve_node host_node",
    "uri": "connection connect libvirt_uri libvirt_url hypervisor_uri", "device": "source_device source_devices",
    "include_memory": "vmstate with_memory ram_snapshot memory_dump memory",
    "snapshot": "snapname snapshot_name snap snap_name new_snapshot_name snapshot_id",
    "children": "remove_children delete_children recursive",
    "protection": "protected prevent_destroy deletion_protection",
    "facets": "gather gather_subset properties fields include",
    "filters: {state: [running]}": "state running_only running power_state vm_state status",
    "keep_last": "retention retain prune_backups maxfiles keep",
    "directory": "backup_dir backup_directory backup_path dumpdir dest", "max_age": "schedule starttime",
    "consistency": "mode quiesce", "backup": "archive vzdump backup_id", "new_name": "restore_as",
}  # fmt: skip
#: {option: {suboption: words}}
SUBOPTIONS = {
    "disks": {
        "size": "capacity size_gb size_mb disk_size gb", "source": "path file volume image volume_id file_id filename",
        "slot": "device target interface dev bus unit controller",
        "storage": "datastore datastore_id pool storage_pool", "format": "file_format driver",
        "iops_limit": "iops total_iops_sec maximum_iops iops_max",
        "bandwidth_limit": "mbps bps bandwidth total_bytes_sec speed throughput",
    },
    "cdroms": {
        "source": "path file iso image medium filename", "slot": "device target interface dev bus unit controller",
    },
    "networks": {
        "source": "bridge network name network_name switch portgroup network_id device",
        "mac": "mac_address macaddress hwaddr", "address": "ip ip_address ipaddress addresses",
        "model": "driver nic_type adapter adapter_type interface_model",
        "vlan": "tag vlan_id vlan_tag native_vlan native_vlan_id",
        "trunk": "trunks vlans allowed_vlans allowed_vlan_id_list tagged_vlans vlan_trunk",
        "mac_spoofing": "macspoof mac_address_spoofing forged_transmits",
    }, "image": {"source": "url path name file src"}, "clone": {"source": "name vm template vm_id from"},
    "cloud_init": {
        "ssh_authorized_keys": "ssh_key ssh_keys sshkeys ssh_public_key ssh_public_keys authorized_keys keys",
        "user": "username ciuser name", "password": "cipassword passwd",
        "ip_config": "ip ip_address ipconfig ipconfig0 address addresses", "nameservers": "nameserver dns dns_servers",
        "search_domains": "searchdomain searchdomains search_domain domain",
        "meta_data": "hostname local_hostname fqdn instance_id",
        "user_data": "packages runcmd write_files users cloud_config",
    },
    "port_forwards": {
        "guest_port": "guest port guestport container_port to", "host_port": "host hostport published from",
        "protocol": "proto", "host_address": "host_ip hostip",
    },
    "shared_folders": {
        "host_path": "path source src host hostpath", "guest_path": "target dest destination mount mount_point guest",
        "read_only": "readonly ro",
    }, "display": {"video_memory": "vram memory"}, "devices": {"id": "address device host", "type": "kind"},
}  # fmt: skip
_OFF = "false no off 0 none never disabled"
_STOPPED = f"{_OFF} absent poweredoff powered_off powered-off shutoff shut_off stopped stop shutdown halted inactive"
#: {what to write instead: {the same for other values: values}}
BY_VALUE = {
    "state: started": {
        "state: stopped": _STOPPED, "state: paused": "paused pause", "state: absent": "undefine deleted delete",
        "state: suspended": "suspended suspend hibernated saved", "state: restarted": "restarted restart reboot reset",
    },
    "filters: {state: [running]}": {"filters: {state: [stopped]}": _STOPPED, "filters: {state: [paused]}": "paused"},
    "firmware: uefi": {"firmware: bios": f"{_OFF} 1 gen1 bios seabios legacy pc"},
    **{f"wait_for: {one}": {"wait_for: state": _OFF} for one in ("address", "ssh", "cloud_init")},
    **{f"display: {{type: {one}}}": {"display: {type: none}": _OFF} for one in ("vnc", "spice")},
    "delete_disks: all": {"delete_disks: none": _OFF}, "delete_disks: none": {"delete_disks: all": _OFF},
    "start_type: gui": {"start_type: headless": _OFF}, "start_type: headless": {"start_type: gui": _OFF},
    "stop_mode: force": {"stop_mode: graceful": _OFF}, "rtc: localtime": {"rtc: utc": _OFF},
    "clone: {source: NAME, linked: false}": {"clone: {source: NAME, linked: true}": _OFF},
    "clone: {source: NAME, linked: true}": {"clone: NAME": _OFF}, "verify_ssl: false": {"verify_ssl: true": _OFF},
    "image: {source: debian-13, refresh: true}": {"image: debian-13": _OFF},
}  # fmt: skip
#: {option with suboptions: an example}
EXAMPLES = {
    "disks": "{size: 40G}", "cdroms": "{slot: sata1, source: /path/drivers.iso}", "networks": "{source: NAME}",
    "port_forwards": "{name: web, host_port: 8080, guest_port: 80}",
    "shared_folders": "{name: data, host_path: /srv/data}", "cloud_init": "{user: NAME}",
    "filters": "{state: [running]}", "limits": "{vms: 5}",
}  # fmt: skip
_NAMES = re.compile(r"\w+(?=:)|^\w+$")
_VALUE = re.compile(r"^\w+: (\w+)$")
_PAIR = re.compile(r"(\w+): ([\w.-]+)")
_SIZE = re.compile(r"\d+ ?([KMGT](i?B)?)?", re.IGNORECASE)
#: The options that a suboption of several ones probably belongs to.
_MAIN = ("filters", "cloud_init", "disks", "networks", "image")
_UNITS = {"gb": "G", "gib": "G", "mb": "M", "mib": "M", "bytes": "B"}


def instead_of(word, options, value=None):
    """What to write instead of a word with this value, for a module with these options, or None."""
    found = (text for text, words in WORDS.items() if word in words.split() and _is_permitted(text, options))
    text = next(found, None) or _in_suboption(word, options)
    if text is None and word.endswith(("_devices", "_controllers")) and "native" in options:
        text = "native"  # virt-install has an option for each kind of device.
    of_value = (other for other, values in BY_VALUE.get(text, {}).items() if str(value).lower() in values.split())
    text = next((other for other in of_value if _is_permitted(other, options)), text)
    return text and _with_size(text, word, str(value).strip())


def _with_size(text, word, size):
    """What to write with the size that the task has for a disk, or in the unit that the word names."""
    unit = _UNITS.get(word.rpartition("_")[2]) or "G" * ("40G" in text and len(size) < 4)
    if not _SIZE.fullmatch(size) or not unit or ("memory" not in text and "40G" not in text):
        return text
    size = f"{size}{unit}" if size.isdigit() else size
    return text.replace("40G", size) if "40G" in text else f"{text}: {size}"


def _in_suboption(word, options):
    """What to write for a word that is a suboption of one of these options, such as the checksum of an image."""
    found = (one for one in (*_MAIN, *options) if one in options and word in options[one].options)
    name = next((one for one in found if one != "clone"), None)  # A snapshot is more than what a clone is made from.
    if name is None or options[name].options[word].hidden:
        return None
    needed = [one for one, its in options[name].options.items() if its.required and one != word]
    entry = ", ".join(f"{one}: ..." for one in (*needed, word))
    return f"{name}: [{{{entry}}}]" if options[name].elements else f"{name}: {{{entry}}}"


def names_in(text):
    """The option and, if there is one, the suboption in what to write: ["cloud_init", "user_data"]."""
    return _NAMES.findall(text)[:2]


def _is_permitted(text, options):
    name, *suboption = names_in(text)
    option = options.get(name)
    if option is None or (suboption and suboption[0] not in option.options and name != "machines"):
        return False
    values = [(option.options.get(option.short, option), value) for value in _VALUE.findall(text)]
    inside = text.partition("{")[2].partition("{")[0] if name != "machines" else ""
    values += [(option.options.get(one), value) for one, value in _PAIR.findall(inside)]
    return all(_takes(its, value) for its, value in values)


def _takes(option, value):
    return option is not None and (not option.choices or value in [str(one).lower() for one in option.choices])


def suboption_instead_of(option, word, suboptions):
    """The suboption of an option for a word, or None."""
    words = SUBOPTIONS.get(option, {})
    return next((name for name, others in words.items() if word in others.split() and name in suboptions), None)
