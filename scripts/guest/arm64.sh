#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Runs in the guest on arm64: the selftests, on each of the demo devices that the
# device tree has: see dmademo.dtsi.
status=0
fail() {
	echo "FAILED: $*"
	status=1
}

# bus_address TEXT: what dmademo alloc says in TEXT.
bus_address() { echo "$1" | sed -n 's/.*bus address \(0x[0-9a-f]*\),.*/\1/p'; }

# check DEVICE TEXT: the device says TEXT of itself, and sees memory, which starts
# at 1 GiB, where the bus has it: the first GiB.
check() {
	info=$(dmademo -d "$1" info) || fail "$1: no info"
	echo "$info"
	case $info in
	*"$2"*) echo "ok: $1: $2" ;;
	*) fail "$1: not $2" ;;
	esac
	alloc=$(dmademo -d "$1" alloc 5000000) || fail "$1: no buffer"
	echo "$alloc"
	addr=$(bus_address "$alloc")
	if [ -n "$addr" ] && [ $((addr)) -lt $((0x40000000)) ]; then
		echo "ok: $1: bus address $addr"
	else
		fail "$1: bus address $addr is not below 1 GiB"
	fi
}
check /dev/dmademo0 'mode pages, coherent'
check /dev/dmademo1 'mode pages, not coherent'
check /dev/dmademo2 'mode pages, not coherent'

# The third one's buffers are from the memory that is reserved for it, which the
# kernel has said where it is.
# shellcheck disable=SC2046 # two words
set -- $(dmesg | sed -n 's/.*reserved mem: \(0x[0-9a-f]*\)\.\.\(0x[0-9a-f]*\) .* dmademo-pool$/\1 \2/p')
alloc=$(dmademo -d /dev/dmademo2 alloc 67108864) || fail "no 64 MiB of reserved memory"
addr=$(($(bus_address "$alloc") + 0x40000000))
if [ $# = 2 ] && [ $addr -ge $(($1)) ] && [ $((addr + 67108864 - 1)) -le $(($2)) ]; then
	echo "ok: /dev/dmademo2: its buffer is in its memory, $1 to $2"
else
	fail "/dev/dmademo2: its buffer, at $addr, is not in its memory, $1 to $2"
fi

n=0
export DMADEMO_DISK=/dev/vda
for name in coherent plain pool; do
	export DMADEMO_DEVICE=/dev/dmademo$n DMADEMO_NAME=dmademo-bus:dmademo-$name
	n=$((n + 1))
	export DMADEMO_DEVICE2=/dev/dmademo$((n % 3))
	for test in dmademo_test dmademo_transfer_test dmademo_dmabuf_test \
		dmademo_args_test dmademo_unbind_test dmademo_map_test dmademo_pin_test \
		dmademo_tool_test.sh; do
		echo "# $test on $DMADEMO_DEVICE, $name"
		$test || fail "$test on $DMADEMO_DEVICE"
	done
done
exit $status
