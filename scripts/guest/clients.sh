#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Usage: clients.sh [all]
#
# Runs in the guest: mm's own gup_test on the buffer that a demo device has of its own,
# in each mode and by dma-direct, and the kernel's own benchmark of streaming mappings,
# with the custom DMA ops and without.  A mapping by page frame numbers has to give
# dma-direct's results, line by line, and one with references those of shared memory.
# Not all of their options, unless told so.
status=0 nr=0
if [ "${1:-}" = all ]; then
	whats='-w,-W,-w -t,-w -T,-w -j 4,-W -j 4' counts='1 7 512 -1' directions='0 1 2' granules='1 16'
else
	whats='-w,-W -j 4' counts='7 -1' directions=0 granules=16
fi

# gup FILE: the results of each way to get pages, and how far it came, without times.
# Threads mix their lines.
gup() {
	for how in -u -U -a -b -L; do
		echo "$whats" | tr , '\n' | while read -r what; do
			for pages in $counts; do
				# shellcheck disable=SC2086 # they are words
				result=$(gup_test $how $what -n $pages -S -m 4 -f "$1" 2>&1)
				echo "gup_test $how $what -n $pages: exit $?"
				echo "$result" | grep -oE '^(not ok|Bail).*|[Tt]runcated.*' | sort -u
			done
		done
	done
}

# benchmark: the results of streaming mappings of dmademo.0, without times.
benchmark() {
	for mode in 0 1; do
		for direction in $directions; do
			for pages in $granules; do
				echo "dma_map_benchmark -m $mode -d $direction -g $pages"
				dma_map_benchmark -t 2 -s 1 -b 64 -m $mode -d "$direction" -g "$pages" 2>&1
				echo "exit $?"
			done
		done
	done | sed '/^average/d'
}

# same WHAT FILE OTHER: both have the same lines, some of which are of a test.
same() {
	tests=$(grep -cE '^(gup_test|dma_map_benchmark) -' "$2")
	nr=$((nr + tests))
	if [ "$tests" -gt 0 ] && diff "$2" "$3"; then
		echo "$1: the same $(wc -l <"$2") lines of $tests tests"
	else
		echo "$1: not the same"
		status=1
	fi
}

rmmod dmademo && load-dmademo mmap=pages,pfn,huge,direct buffer_size=4194304 || exit
gup /dev/zero >shared
gup /dev/dmademo0 >pages
gup /dev/dmademo1 >pfn
gup /dev/dmademo2 >huge
gup /dev/dmademo3 >direct
same 'pages, and shared memory' pages shared
same 'huge, and shared memory' huge shared
same 'PFN, and dma-direct' pfn direct
# They have to be able to tell something.
grep -q 'exit 0' shared || { echo 'gup_test does not work'; status=1; }
! grep -qi truncated shared || { echo 'shared memory is truncated'; status=1; }
grep -q 'truncated (size: 0)' direct || { echo 'dma-direct has pages that can be had'; status=1; }

# The same device with another driver.
device=/sys/bus/platform/devices/dmademo.0
drivers=/sys/bus/platform/drivers
attached=/sys/kernel/debug/dma_custom/platform:dmademo.0
attach=/sys/module/dma_custom/parameters/attach
echo dmademo.0 >$drivers/dmademo/unbind
echo dma_map_benchmark >$device/driver_override
for ops in custom direct; do
	[ $ops != custom ] || echo dmademo.0 >$attach
	echo dmademo.0 >$drivers/dma_map_benchmark/bind || status=1
	if [ $ops = custom ] && [ ! -e $attached ]; then
		echo 'the custom DMA ops are not attached'
		status=1
	elif [ $ops = direct ] && [ -e $attached ]; then
		echo 'the custom DMA ops are attached'
		status=1
	fi
	benchmark >$ops
	echo dmademo.0 >$drivers/dma_map_benchmark/unbind
	echo >$attach
done
echo >$device/driver_override
echo dmademo.0 >$drivers/dmademo/bind || status=1
grep -q 'exit 0' custom || { echo 'dma_map_benchmark does not work'; status=1; }
same 'dma_map_benchmark, and dma-direct' custom direct
echo "# Totals: pass:$nr fail:$status skip:0"
exit $status
