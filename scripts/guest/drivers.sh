# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Run in the guest by scripts/drivers, which sets MIB, and BOUNCED: yes if all mappings
# are to be bounced, no if only those of e1000 are, and never behind an IOMMU.
#
# A file of MIB MiB is written to ext4 on a virtio disk, read again after
# remounting, and sent from one network card to another, each in a network
# namespace of its own; the sums have to be equal.
set -e

fail() {
	echo "FAIL: $*" >&2
	exit 1
}
ok() { echo "ok: $* (after $(cut -d . -f 1 /proc/uptime) s)"; }

mount -t tracefs tracefs /sys/kernel/tracing
events=/sys/kernel/tracing/events/dma
pool=/sys/kernel/debug/swiotlb
custom=/sys/kernel/debug/dma_custom

# pci_device PATH...: the device that the last path below /sys/bus/pci/drivers leads
# to.
pci_device() {
	for path; do
		[ -e "/sys/bus/pci/drivers/$path" ] || fail "there is no $path"
	done
	echo "$path" | cut -d / -f 2
}
cd /sys/bus/pci/drivers
blk=$(pci_device virtio-pci/*/virtio*/block)
vnet=$(pci_device virtio-pci/*/virtio*/net)
set -- e1000e/*/net
vnet_peer=$(pci_device "$1")
e1000_peer=$(pci_device "$2")
e1000=$(pci_device e1000/*/net)
cd /tmp

for dev in $blk $vnet $vnet_peer $e1000 $e1000_peer; do
	[ -d "$custom/pci:$dev" ] || fail "$dev has no custom DMA ops"
	# Where one is, its addresses are none of memory.
	group=/sys/bus/pci/devices/$dev/iommu_group/type
	if [ "$BOUNCED" = never ]; then
		grep DMA "$group" || fail "$dev is not behind an IOMMU"
	else
		[ ! -e "$group" ] || fail "$dev is behind an IOMMU"
	fi
	echo "    $dev: $(sed 1d "$custom/pci:$dev/buffers" | wc -l) buffers"
done
ok "custom DMA ops: $blk (disk), $vnet (virtio-net), $e1000 (e1000), $vnet_peer and $e1000_peer (e1000e)"

# mapped DEVICE EVENT...: how many mappings it has made.
mapped() {
	dev=$1
	shift
	for event; do
		cat "$events/$event/hist"
	done | awk -v dev="$dev" '$3 == dev { n += $NF } END { print n + 0 }'
}
for event in dma_map_phys dma_map_sg; do
	echo hist:keys=device >"$events/$event/trigger"
done

# bounces NAME WANTED DEVICE... -- COMMAND: runs it, and checks that each device
# has mapped memory, and whether bounce buffers were used.
bounces() {
	name=$1 wanted=$2 devices=''
	shift 2
	while [ "$1" != -- ]; do
		devices="$devices $1"
		mapped "$1" dma_map_phys dma_map_sg >"/tmp/before-$1"
		shift
	done
	shift
	echo 0 >"$pool/io_tlb_used_hiwater"
	"$@"
	for dev in $devices; do
		mappings=$(($(mapped "$dev" dma_map_phys dma_map_sg) - $(cat "/tmp/before-$dev")))
		[ $mappings -gt 0 ] ||
			fail "$name: $dev made no mapping"
		echo "    $dev: $mappings mappings"
	done
	used=$(cat "$pool/io_tlb_used_hiwater")
	echo "    bounce buffers: up to $used of $(cat "$pool/io_tlb_nslabs") slots"
	if [ "$wanted" = yes ]; then
		[ "$used" -gt 0 ] || fail "$name: nothing was bounced"
	else
		[ "$used" -eq 0 ] || fail "$name: something was bounced"
	fi
}

# --- a file system ----------------------------------------------------------

# No two blocks of it are the same, nor a multiple of anything long.
make_file() {
	dd if=/dev/urandom of=/mnt/part bs=1M count=8 2>/dev/null
	i=0
	while [ $i -lt $((MIB / 8)) ]; do
		echo "part $i"
		cat /mnt/part
		i=$((i + 1))
	done
}

sum() { sha256sum "$@" | cut -d ' ' -f 1; }

write_file() {
	mount -t ext4 /dev/vda /mnt
	make_file >/mnt/file
	sync
}
read_file() {
	! grep -q ' /mnt ' /proc/mounts || umount /mnt
	mount -t ext4 /dev/vda /mnt
	got=$(sum /mnt/file)
}
mkdir -p /mnt
bounces 'writing to ext4' "$BOUNCED" "$blk" -- write_file
want=$(sum /mnt/file)
bounces 'reading from ext4' "$BOUNCED" "$blk" -- read_file
[ "$got" = "$want" ] || fail "the file has changed: $want, now $got"
ok "$(wc -c </mnt/file) bytes written to ext4, remounted and read: sha256 $got"

# --- a network ----------------------------------------------------------------

# Cards of different drivers at both ends of a wire, each in a namespace of its own.
card() {
	for net in "/sys/bus/pci/devices/$1"/net/* "/sys/bus/pci/devices/$1"/virtio*/net/*; do
		[ ! -e "$net" ] || basename "$net"
	done
}
# namespace ADDRESS DEVICE: sets pid to a process in it.
namespace() {
	unshare -n sleep 100000 &
	pid=$!
	while [ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do
		sleep 0.1
	done
	net=$(card "$2")
	ip link set "$net" netns $pid
	nsenter -t $pid -n ip link set "$net" mtu 9000
	nsenter -t $pid -n ip addr add "$1/24" dev "$net"
	nsenter -t $pid -n ip link set "$net" up
}
namespace 10.0.0.1 "$vnet"
vnet_ns=$pid
namespace 10.0.0.2 "$vnet_peer"
vnet_peer_ns=$pid
namespace 10.0.1.1 "$e1000"
e1000_ns=$pid
namespace 10.0.1.2 "$e1000_peer"
e1000_peer_ns=$pid

# A card takes a while to see that it has a link.
reach() {
	tries=0
	until nsenter -t "$1" -n ping -c 1 -W 1 "$2" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || fail "$2 does not answer"
	done
}
# send FROM_NAMESPACE FROM_ADDRESS TO_NAMESPACE FILE: from the page cache (the
# server has sendfile()), and sets got to the sum of what arrives.
send() {
	reach "$3" "$2"
	nsenter -t "$1" -n httpd -f -p 5000 -h "$(dirname "$4")" &
	server=$!
	sleep 1
	nsenter -t "$3" -n wget -q -O - "http://$2:5000/$(basename "$4")" >/tmp/received
	kill $server
	got=$(sum /tmp/received)
}

bounces 'virtio-net to e1000e' "$BOUNCED" "$vnet" "$vnet_peer" -- \
	send $vnet_ns 10.0.0.1 $vnet_peer_ns /mnt/file
[ "$got" = "$want" ] || fail "the file arrived changed: $want, now $got"
ok "$MIB MiB from virtio-net to e1000e: sha256 $got"

# Its mask has 32 bits.
[ "$BOUNCED" = never ] || BOUNCED=yes
bounces 'e1000 to e1000e' "$BOUNCED" "$e1000" "$e1000_peer" -- \
	send $e1000_ns 10.0.1.1 $e1000_peer_ns /mnt/file
[ "$got" = "$want" ] || fail "the file arrived changed: $want, now $got"
ok "$MIB MiB from e1000 to e1000e: sha256 $got"

# --- mappings that fail -------------------------------------------------------

# Packets get lost, and are sent again.  Behind an IOMMU mappings are not the provider's.
if [ "$BOUNCED" != never ]; then
	echo '!hist:keys=device' >"$events/dma_map_phys/trigger"
	echo 'hist:keys=device if dma_addr == 0xffffffffffffffff' >"$events/dma_map_phys/trigger"
	cd "$custom/pci:$e1000/fail_map"
	echo 0 >verbose
	echo -1 >./times
	echo 50 >interval
	echo 100 >probability
	send $e1000_ns 10.0.1.1 $e1000_peer_ns /mnt/part
	echo 0 >probability
	cd /tmp
	failed=$(mapped "$e1000" dma_map_phys)
	[ "$failed" -gt 0 ] || fail 'no mapping failed'
	[ "$got" = "$(sum /mnt/part)" ] || fail 'the file arrived changed'
	ok "8 MiB from e1000 to e1000e with $failed mappings that failed: sha256 $got"
fi

# --- another domain -----------------------------------------------------------

# in_domain TYPE: the disk without its driver gets one, and then has its driver again.
in_domain() {
	umount /mnt
	echo "$blk" >/sys/bus/pci/drivers/virtio-pci/unbind
	echo "$1" >"$type" || fail "no domain of type $1 for $blk"
	echo "$blk" >/sys/bus/pci/drivers/virtio-pci/bind
	[ -d "$custom/pci:$blk" ] || fail "$blk has no custom DMA ops in a domain of type $1"
	read_file
	[ "$got" = "$want" ] || fail "the file has changed: $want, now $got"
	ok "the file is the same in a domain of type $(cat "$type")"
}
if [ "$BOUNCED" = never ]; then
	type=/sys/bus/pci/devices/$blk/iommu_group/type
	! (echo identity >"$type") 2>/dev/null || fail 'the domain was changed under a driver'
	in_domain identity
	in_domain DMA
fi

umount /mnt
