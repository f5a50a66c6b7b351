#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Runs in the guest: mm's own gup_test, on the buffer that a demo device has of its own,
# in each mode, and on dma-direct's, and the kernel's own benchmark of streaming
# mappings.  A mapping by page frame numbers has to give dma-direct's results, line by
# line, and one with references those of shared memory.
status=0 nr=0

# gup FILE: the results of each way to get pages, and how far it came; times are left
# out.
gup() {
	for how in -u -U -a -b -L; do
		for what in -w -W '-w -t' '-w -T' '-w -j 4' '-W -j 4'; do
			for pages in 1 7 512 -1; do
				# shellcheck disable=SC2086 # they are words
				result=$(gup_test $how $what -n $pages -S -m 8 -f "$1" 2>&1)
				echo "gup_test $how $what -n $pages: exit $?"
				echo "$result" | grep -oE '^(ok|not ok|Bail).*|[Tt]runcated.*'
			done
		done
	done
}

# same WHAT FILE OTHER: both have the same lines, and the number of tests.
same() {
	tests=$(grep -c '^gup_test' "$2")
	nr=$((nr + tests))
	if [ "$tests" -gt 0 ] && diff "$2" "$3"; then
		echo "$1: the same $(wc -l <"$2") lines"
	else
		echo "$1: not the same"
		status=1
	fi
}

rmmod dmademo && load-dmademo mmap=pages,pfn,huge,direct buffer_size=8388608 || exit
gup /dev/zero >shared
# It has to be able to tell something.
if ! grep -q 'ioctl status 0' shared || grep -qi truncated shared; then
	echo 'gup_test does not work'
	exit 1
fi
gup /dev/dmademo0 >pages
gup /dev/dmademo1 >pfn
gup /dev/dmademo2 >huge
gup /dev/dmademo3 >direct
grep -q 'truncated (size: 0)' direct || { echo 'dma-direct has pages that can be had'; exit 1; }
same 'pages, and shared memory' pages shared
same 'huge, and shared memory' huge shared
same 'PFN, and dma-direct' pfn direct

# benchmark NAME: on a device of which the driver is the benchmark.
benchmark() {
	echo "$1" >/sys/bus/platform/drivers/dmademo/unbind
	echo dma_map_benchmark >"/sys/bus/platform/devices/$1/driver_override"
	echo "$1" >/sys/bus/platform/drivers/dma_map_benchmark/bind || return
	for mode in 0 1; do
		for direction in 0 1 2; do
			for pages in 1 16; do
				dma_map_benchmark -t 2 -s 1 -b 64 -m $mode -d $direction -g $pages 2>&1
				echo "exit $?"
			done
		done
	done
	echo "$1" >/sys/bus/platform/drivers/dma_map_benchmark/unbind
	echo >"/sys/bus/platform/devices/$1/driver_override"
	echo "$1" >/sys/bus/platform/drivers/dmademo/bind
}

# With dma_custom.attach=dmademo.0 on the kernel command line.
if [ -d /sys/bus/platform/drivers/dma_map_benchmark ]; then
	benchmark dmademo.0 | sed '/^average/d' >custom || status=1
	benchmark dmademo.3 | sed '/^average/d' >direct || status=1
	grep -q 'exit 0' direct || status=1
	if diff custom direct; then
		echo "dma_map_benchmark: the same $(wc -l <custom) lines"
	else
		status=1
	fi
	nr=$((nr + $(grep -c ^exit custom)))
fi
echo "# Totals: pass:$nr fail:$status"
exit $status
