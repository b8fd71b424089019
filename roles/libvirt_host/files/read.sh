# shellcheck shell=sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prints what the role has to know about a host, as lines "KEY VALUE". Changes nothing. Its input are the variables
# LIBVIRT_HOST_FOLDER (of package files), LIBVIRT_HOST_USERS, LIBVIRT_HOST_UNITS, LIBVIRT_HOST_PACKAGES (of the user) and
# LIBVIRT_HOST_ADDRESSES (lines of a network and its address) of the environment.
exec 2>/dev/null
LC_ALL=C
export LC_ALL

each() { # KEY: print each line of the input that is not empty as a value.
    awk -v key="$1" 'NF { print key, $0 }'
}
has() {
    for program; do command -v "$program" >/dev/null || return 1; done
}

id -u | each uid
uname -m | each machine
[ -d /run/systemd/system ] && echo "systemd yes"
[ -e /var/lib/polyvirt/libvirt_host.json ] && echo "record $(tr '\n' ' ' </var/lib/polyvirt/libvirt_host.json)"

# Packages. Those of Debian can stand for others, such as qemu-system-x86 for qemu-kvm.
if has apt-get dpkg dpkg-query; then
    echo "manager apt"
    dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\n' | awk '$1 == "installed" {
        sub(/^installed /, ""); count = split($0, names, /, */)
        for (i = 1; i <= count; i++) if (split(names[i], words, " ")) print i == 1 ? "installed" : "provided", words[1]
    }'
elif has dnf rpm; then
    echo "manager dnf"
    rpm -qa --qf '%{NAME}\n' | each installed
elif has pacman; then
    echo "manager pacman"
    pacman -Qq | each installed
fi
[ -n "$LIBVIRT_HOST_FOLDER" ] && find "$LIBVIRT_HOST_FOLDER" -maxdepth 1 -type f | sort | each file

# Packages that are not installed, and that the package manager cannot install by what it knows now. A Debian without
# an index knows none.
for package in $LIBVIRT_HOST_PACKAGES; do
    if has apt-get dpkg dpkg-query; then
        dpkg-query -W "$package" >/dev/null || [ -z "$(find /var/lib/apt/lists -name '*_Packages*' | head -n 1)" ] ||
            apt-get -s -qq install --no-install-recommends "$package" >/dev/null || echo "unavailable $package"
    elif has dnf rpm; then
        rpm -q --whatprovides "$package" >/dev/null || [ -n "$(dnf -q repoquery --whatprovides "$package")" ] ||
            echo "unavailable $package"
    elif has pacman; then
        pacman -S --print "$package" >/dev/null || echo "unavailable $package"
    fi
done

# Networks of the list with overlapping subnets.
[ -n "$LIBVIRT_HOST_ADDRESSES" ] && python3 -c '
import itertools, ipaddress, os
lines = [line.rsplit(None, 1) for line in os.environ["LIBVIRT_HOST_ADDRESSES"].splitlines() if line.strip()]
found = [(name, ipaddress.ip_interface(address).network) for name, address in lines]
for (name, one), (other, two) in itertools.combinations(found, 2):
    if name != other and one.version == two.version and one.overlaps(two):
        print(f"overlap {name} ({one}) and {other} ({two})")
'

for unit in $LIBVIRT_HOST_UNITS; do
    systemctl -q is-enabled "$unit" && systemctl -q is-active "$unit" && echo "unit $unit"
done

# An error in the middle must not count as a host without VMs. No name contains a slash; pools end with blanks.
if has virsh && lists=$(virsh -q -c qemu:///system 'echo /vm/; list --all --name; echo /networks/; net-list --all --name;
    echo /active/; net-list --name; echo /pools/; pool-list --all --name'); then
    echo "answers yes"
    echo "$lists" | sed 's|/\([a-z]*\)/|\n/\1\n|g; s/ *$//' |
        awk '/^\// { key = substr($0, 2); next } NF { print key, $0 }'
fi

getent group libvirt | cut -d: -f4 | tr ',' '\n' | each member
for user in $LIBVIRT_HOST_USERS; do getent passwd "$user" >/dev/null || echo "unknown $user"; done

cat /sys/module/kvm_intel/parameters/nested /sys/module/kvm_amd/parameters/nested | sed 's/[Y1]/y/; s/[N0]/n/' | each nested
sed -n 's/^options kvm_[a-z]* nested=\([01]\)$/stored \1/p' /etc/modprobe.d/polyvirt-kvm.conf | sort -u
cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding | each forwarding
for bridge in /sys/class/net/*/bridge; do
    name=${bridge%/bridge} && name=${name##*/}
    [ -e "$bridge" ] && case $name in virbr*) ;; *) echo "bridge $name" ;; esac
done

for folder in /etc/libvirt /var/cache/libvirt /var/lib/libvirt /var/log/libvirt; do
    [ -e "$folder" ] && echo "folder $folder"
done

# What libvirt leaves behind in the firewall: its chains, and the rules that jump to them. A restart removes them, too.
for program in iptables ip6tables; do
    for table in filter nat mangle; do
        has "$program" && "$program" -w -t "$table" -S | awk -v start="rule $program -w -t $table" '
            $1 == "-N" && $2 ~ /^LIBVIRT_/ { chains[++count] = $2 }
            $1 == "-A" && $2 !~ /^LIBVIRT_/ {
                for (i = 3; i < NF; i++) if ($i == "-j" && $(i + 1) ~ /^LIBVIRT_/) { $1 = "-D"; print start, $0; break }
            }
            END {
                for (i = 1; i <= count; i++) print start, "-F", chains[i]
                for (i = 1; i <= count; i++) print start, "-X", chains[i]
            }'
    done
done

# A device is no proof that KVM works: hypervisors that nest or filter let a VM start, and then abort its CPU or let it
# hang. So QEMU executes a few instructions, and ends with an exit code that only these cause. The limit is long because
# 8 seconds were too short for a nested KVM on a busy host.
try_kvm() { # EXIT-CODE QEMU-ARGUMENT...
    expected=$1
    shift
    timeout -k 1 30 "$emulator" -accel kvm -cpu host -m 16 -no-user-config -nodefaults -display none -no-reboot "$@" \
        </dev/null >"$folder/output" 2>&1
    case $? in
    "$expected") echo "kvm yes" ;;
    124 | 137) echo "kvm_problem a VM did not execute its first instructions within 30 seconds." ;;
    *) echo "kvm_problem $(tr '\n' ';' <"$folder/output")" ;;
    esac
}

[ -e /dev/kvm ] && echo "device yes"
machine=$(uname -m)
emulator=$(command -v "qemu-system-$machine" || command -v qemu-kvm || command -v /usr/libexec/qemu-kvm)
folder=$(mktemp -d)
case $([ -e /dev/kvm ] && [ -n "$emulator" ] && echo "$machine") in
# A boot sector with mov al,0x2a; out 0xf4,al; hlt; jmp to the hlt. The device isa-debug-exit turns the byte b into the
# exit code 2b+1.
x86_64)
    { printf '\260\052\346\364\364\353\375'; head -c 503 /dev/zero; printf '\125\252'; } >"$folder/code"
    try_kvm 85 -machine pc -device isa-debug-exit,iobase=0xf4,iosize=1 \
        -drive "file=$folder/code,format=raw,if=ide,snapshot=on"
    ;;
# movz w0,#8; movk w0,#0x8400,lsl #16; hvc #0; b . This is the call SYSTEM_OFF of the firmware interface PSCI. If libvirt
# answers, it is asked first: it may not find KVM.
aarch64)
    printf '\000\001\200\122\000\200\260\162\002\000\000\324\000\000\000\024' >"$folder/code"
    set -- virsh -q -c qemu:///system
    if ! "$@" uri >/dev/null ||
        "$@" domcapabilities --virttype kvm --arch aarch64 --machine virt >"$folder/output" 2>&1; then
        try_kvm 0 -machine virt,gic-version=max -kernel "$folder/code"
    else
        echo "kvm_problem $(tr '\n' ';' <"$folder/output")"
    fi
    ;;
esac
rm -r "$folder"
exit 0
