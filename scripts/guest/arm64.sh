#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Runs in the guest on arm64: the selftests, on each of the demo devices that the
# device tree has: see dmademo.dtsi, or, with the argument "iommu", dmademo-iommu.dtsi.
status=0
fail() {
	echo "FAILED: $*"
	status=1
}

# dma_address TEXT: what dmademo alloc says in TEXT.
dma_address() { echo "$1" | sed -n 's/.*DMA address \(0x[0-9a-f]*\),.*/\1/p'; }

# check DEVICE TEXT: the device says TEXT of itself.
check() {
	info=$(dmademo -d "$1" info) || fail "$1: no info"
	echo "$info"
	case $info in
	*"$2"*) echo "ok: $1: $2" ;;
	*) fail "$1: not $2" ;;
	esac
}

# check_bus DEVICE: it sees memory, which starts at 1 GiB, where the bus has it: the
# first GiB.
check_bus() {
	alloc=$(dmademo -d "$1" alloc 5000000) || fail "$1: no buffer"
	echo "$alloc"
	addr=$(dma_address "$alloc")
	if [ -n "$addr" ] && [ $((addr)) -lt $((0x40000000)) ]; then
		echo "ok: $1: DMA address $addr"
	else
		fail "$1: DMA address $addr is not below 1 GiB"
	fi
}

# check_pool DEVICE: its buffers are from the memory that is reserved for it, which
# the kernel has said where it is.
check_pool() {
	# shellcheck disable=SC2046 # two words
	set -- "$1" $(dmesg | sed -n 's/.*reserved mem: \(0x[0-9a-f]*\)\.\.\(0x[0-9a-f]*\) .* dmademo-pool$/\1 \2/p')
	alloc=$(dmademo -d "$1" alloc 67108864) || fail "no 64 MiB of reserved memory"
	addr=$(($(dma_address "$alloc") + 0x40000000))
	if [ $# = 3 ] && [ $addr -ge $(($2)) ] && [ $((addr + 67108864 - 1)) -le $(($3)) ]; then
		echo "ok: $1: its buffer is in its memory, $2 to $3"
	else
		fail "$1: its buffer, at $addr, is not in its memory, $2 to $3"
	fi
}

# check_iommu NAME: the device is behind an IOMMU that translates.
check_iommu() {
	if grep ^DMA "/sys/bus/platform/devices/$1/iommu_group/type"; then
		echo "ok: $1 is behind an IOMMU"
	else
		fail "$1 is not behind an IOMMU"
	fi
}

check /dev/dmademo0 'mode pages, coherent'
check /dev/dmademo1 'mode pages, not coherent'
if [ "${1:-}" = iommu ]; then
	names='coherent plain'
	for name in $names; do
		check_iommu "dmademo-bus:dmademo-$name"
	done
else
	names='coherent plain pool'
	check /dev/dmademo2 'mode pages, not coherent'
	for n in 0 1 2; do
		check_bus /dev/dmademo$n
	done
	check_pool /dev/dmademo2
fi
# shellcheck disable=SC2086 # words
set -- $names

n=0
export DMADEMO_DISK=/dev/vda
for name; do
	export DMADEMO_DEVICE=/dev/dmademo$n DMADEMO_NAME=dmademo-bus:dmademo-$name
	n=$((n + 1))
	export DMADEMO_DEVICE2=/dev/dmademo$((n % $#))
	for test in dmademo_test dmademo_transfer_test dmademo_dmabuf_test \
		dmademo_args_test dmademo_attack_test dmademo_unbind_test dmademo_map_test \
		dmademo_pin_test dmademo_tool_test.sh; do
		echo "# $test on $DMADEMO_DEVICE, $name"
		$test || fail "$test on $DMADEMO_DEVICE"
	done
done
exit $status
