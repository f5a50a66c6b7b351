// SPDX-License-Identifier: GPL-2.0
/*
 * dmademo - talk to the DMA demo device
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#define __SANE_USERSPACE_TYPES__ /* __u64 is for %llu everywhere */
#include <ctype.h>
#include <err.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include "bench.h"
#include "dmademo_user.h"

static const char usage[] =
	"Usage: dmademo [OPTIONS] COMMAND\n"
	"\n"
	"Talk to the DMA demo device.\n"
	"\n"
	"Commands:\n"
	"  info          print what the device can do\n"
	"  alloc BYTES   allocate a buffer, map it, check that it is zeroed and that the\n"
	"                device sees the data written to it, and print its addresses\n"
	"  demo [BYTES]  have the device copy one buffer to another and verify it\n"
	"                through the second one's mapping (default 4194304)\n"
	"  copy FILE     have the device copy FILE from one buffer to another, and\n"
	"                write what the second one's mapping shows to standard output\n"
	"  table DISK    print the mapping mode, and for a buffer of 64 MiB: the ms to map,\n"
	"                touch and unmap it, the KiB of its page tables, whether O_DIRECT\n"
	"                can write it to DISK, whose contents are lost, and whether a\n"
	"                mapping is intact after the buffer was freed\n"
	"  bench [METHOD]... measure the cost of buffers by each METHOD: a strategy of the\n"
	"                driver's parameter mmap=, or heap_system or heap_cma, the heaps\n"
	"                of dma-buf (default: all)\n"
	"\n"
	"Options:\n"
	"  -d DEVICE     all but bench: use DEVICE (default /dev/dmademo0)\n"
	"  -c            alloc, demo and copy: buffers that the CPU caches\n"
	"  -u            copy: no buffers, but memory of this program\n"
	"  -h, --help    print this help\n"
	"\n"
	"Exit status: 0 if all is well, 1 if something failed, 2 if the command is wrong.\n";

/* How messages about the command line end. */
#define TRY_HELP "; try dmademo --help"

/* What copy moves at a time: the largest buffer that every kernel has. */
#define PIECE (4UL << 20)

static const char *device = "/dev/dmademo0";
static struct dmademo_info info; /* of the device */
static int fd;
static bool given[UCHAR_MAX + 1]; /* options */

static const char * const modes[] = { "pages", "pfn", "huge" };

struct buffer {
	struct dmademo_alloc alloc;
	unsigned char *map;
};

static void open_device(void)
{
	int ret;

	fd = open(device, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		errx(1, "there is no %s: the dmademo driver is not loaded (modprobe dmademo) or %s",
		     device, "has fewer devices (ls /dev/dmademo*)");
	if (fd < 0)
		err(1, "cannot open %s%s", device, errno == EACCES ? ", try as root" : "");
	ret = demo_info(fd, &info);
	if (ret)
		errx(1, "%s is no DMA demo device (ls /dev/dmademo*): %s", device, strerror(-ret));
}

static void must(int ret, const char *what)
{
	if (ret)
		errx(1, "cannot %s: %s", what, strerror(-ret));
}

/* Zeroed, and mapped; and prints where it is, if the user may know that. */
static struct buffer get_buffer(unsigned long long bytes, bool print)
{
	const uint32_t flags = given['c'] ? DMADEMO_ALLOC_CACHED : 0;
	struct buffer buf;
	int ret;

	if (bytes > info.max_bytes)
		errx(2, "%llu bytes are too many for a buffer of %s, which may have up to %llu",
		     bytes, device, info.max_bytes);
	ret = demo_alloc_flags(fd, bytes, flags | (print ? DMADEMO_ALLOC_BUS_ADDR : 0), &buf.alloc);
	if (ret == -EPERM)
		ret = demo_alloc_flags(fd, bytes, flags, &buf.alloc);
	if (ret == -ENOMEM)
		errx(1, "%s has no %llu contiguous bytes left; try fewer, or free some memory",
		     device, bytes);
	if (ret == -EDQUOT)
		errx(1, "the buffers of %s may have %llu bytes in all; try fewer, or a larger %s",
		     device, info.max_device_bytes, "max_device_bytes= of the driver");
	must(ret, "allocate a buffer");
	buf.map = demo_map(fd, &buf.alloc, 0, buf.alloc.bytes);
	if (buf.map == MAP_FAILED)
		err(1, "cannot map a buffer");
	if (print)
		printf("buffer %u: size %llu bytes, DMA address 0x%llx, mapped at %p, mode %s\n",
		       buf.alloc.handle, buf.alloc.bytes, buf.alloc.bus_addr,
		       (void *)buf.map, modes[info.mmap_mode]);
	return buf;
}

static void hand_over(const struct buffer *buf, uint32_t to)
{
	must(demo_sync(fd, buf->alloc.handle, to, 0, buf->alloc.bytes), "sync a buffer");
}

static void device_copy(const struct buffer *dst, const struct buffer *src, size_t length)
{
	hand_over(src, DMADEMO_SYNC_FOR_DEVICE);
	hand_over(dst, DMADEMO_SYNC_FOR_DEVICE);
	must(demo_copy(fd, dst->alloc.handle, 0, src->alloc.handle, 0, length),
	     "copy by the device");
	hand_over(dst, DMADEMO_SYNC_FOR_CPU);
}

/* The CRC-32 of what the device sees, which has to be what the CPU does. */
static uint32_t same_sum(const struct buffer *buf, size_t bytes)
{
	uint32_t by_device, by_cpu = demo_cpu_crc32(buf->map, bytes);

	must(demo_crc32(fd, buf->alloc.handle, 0, bytes, &by_device), "checksum by the device");
	if (by_device != by_cpu)
		errx(1, "the device and the CPU see different data: crc32 0x%08x and 0x%08x",
		     by_device, by_cpu);
	return by_device;
}

static unsigned long long parse_bytes(const char *arg)
{
	unsigned long long bytes;
	char *end;

	bytes = strtoull(arg, &end, 0);
	/* It would take blanks and a sign as well. */
	if (!isdigit((unsigned char)*arg) || *end)
		errx(2, "\"%s\" is not a number of bytes" TRY_HELP, arg);
	if (!bytes)
		errx(2, "a buffer has 1 byte or more, not %s" TRY_HELP, arg);
	return bytes;
}

static void do_info(char **operands)
{
	open_device();
	printf("buffers of up to %llu bytes, mode %s, %s, DMA mask 0x%llx\n",
	       info.max_bytes, modes[info.mmap_mode],
	       info.flags & DMADEMO_INFO_COHERENT ? "coherent" : "not coherent", info.dma_mask);
	printf("up to %llu bytes in all buffers, %u buffers of a file, %llu bytes in its own one\n",
	       info.max_device_bytes, info.max_buffers, info.buffer_bytes);
}

static void do_alloc(char **operands)
{
	const unsigned long long bytes = parse_bytes(operands[0]);
	struct buffer buf;

	open_device();
	buf = get_buffer(bytes, true);
	if (buf.map[0] || memcmp(buf.map, buf.map + 1, buf.alloc.bytes - 1))
		errx(1, "the buffer is not zeroed");
	demo_fill_pattern(buf.map, bytes);
	hand_over(&buf, DMADEMO_SYNC_FOR_DEVICE);
	printf("zeroed, contiguous, crc32 0x%08x by the device and by the CPU\n",
	       same_sum(&buf, bytes));
}

static void do_demo(char **operands)
{
	const unsigned long long bytes = operands[0] ? parse_bytes(operands[0]) : PIECE;
	struct buffer src, dst;

	open_device();
	src = get_buffer(bytes, true);
	dst = get_buffer(bytes, true);
	demo_fill_pattern(src.map, bytes);
	device_copy(&dst, &src, bytes);
	if (memcmp(dst.map, src.map, bytes))
		errx(1, "the copy is different");
	printf("copied and verified %llu bytes through the second mapping\n", bytes);
	printf("crc32 0x%08x by the device and by the CPU\nresult ok\n", same_sum(&dst, bytes));
}

static void do_copy(char **operands)
{
	int in = open(operands[0], O_RDONLY | O_CLOEXEC);
	static unsigned char memory[2][PIECE];
	struct buffer src = { .map = memory[0] }, dst = { .map = memory[1] };
	ssize_t n;

	if (in < 0)
		err(1, "cannot open %s", operands[0]);
	open_device();
	if (!given['u']) {
		src = get_buffer(PIECE, false);
		dst = get_buffer(PIECE, false);
	}
	while ((n = read(in, src.map, PIECE)) > 0) {
		if (given['u'])
			must(demo_copy_user(fd, dst.map, src.map, n), "copy (see ulimit -l)");
		else
			device_copy(&dst, &src, n);
		if (fwrite(dst.map, 1, n, stdout) != (size_t)n)
			err(1, "cannot write to standard output");
	}
	if (n < 0)
		err(1, "cannot read %s", operands[0]);
}

static void do_table(char **operands)
{
	open_device();
	table(device, fd, modes[info.mmap_mode], operands[0]);
}

static const struct command {
	const char *name;
	const char *options;	/* beside -h, those that mean something to it */
	const char *needs;	/* the operand that it cannot do without, or NULL */
	int most_operands;
	void (*run)(char **operands);
} commands[] = {
	{ "info", "d", NULL, 0, do_info },
	{ "alloc", "cd", "a number of bytes", 1, do_alloc },
	{ "demo", "cd", NULL, 1, do_demo },
	{ "copy", "cdu", "a file", 1, do_copy },
	{ "table", "d", "a disk", 1, do_table },
	{ "bench", "", NULL, INT_MAX, bench },
	{}
};

static void check(const struct command *command, int nr, char **operands)
{
	for (const char *option = "cdu"; *option; option++)
		if (given[(int)*option] && !strchr(command->options, *option))
			errx(2, "%s has no option -%c" TRY_HELP, command->name, *option);
	if (given['u'] && given['c'])
		errx(2, "with -u there are no buffers for -c" TRY_HELP);
	/* -1 is a wrong number, and a lone - may be a file. */
	if (nr && operands[0][0] == '-' && operands[0][1] &&
	    !isdigit((unsigned char)operands[0][1]))
		errx(2, "%s goes before the command, as all options" TRY_HELP, operands[0]);
	if (!nr && command->needs)
		errx(2, "%s needs %s" TRY_HELP, command->name, command->needs);
	if (nr > command->most_operands)
		errx(2, "%s has no use for %s" TRY_HELP, command->name,
		     operands[command->most_operands]);
}

/* What standard output does not take is a failure, too. */
static int end_output(void)
{
	errno = EIO; /* if it was earlier, the reason is not known */
	if (fflush(stdout) || ferror(stdout))
		err(1, "cannot write to standard output");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = { { "help", no_argument, NULL, 'h' }, {} };
	const struct command *command = commands;
	int opt;

	while ((opt = getopt_long(argc, argv, "+cd:hu", long_options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(usage, stdout);
			return end_output();
		}
		if (opt == '?') /* and that says what is wrong */
			errx(2, "try dmademo --help");
		if (opt == 'd')
			device = optarg;
		given[opt] = true;
	}
	argc -= optind;
	argv += optind;
	if (!argc)
		errx(2, "there is no command" TRY_HELP);
	while (command->name && strcmp(argv[0], command->name))
		command++;
	if (!command->name)
		errx(2, "there is no command %s" TRY_HELP, argv[0]);
	check(command, argc - 1, argv + 1);
	command->run(argv + 1);
	return end_output();
}
