// SPDX-License-Identifier: GPL-2.0
/*
 * dmademo - talk to the DMA demo device
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "dmademo_user.h"

static const char usage[] =
	"Usage: dmademo [OPTIONS] COMMAND\n"
	"\n"
	"Talk to the DMA demo device.\n"
	"\n"
	"Commands:\n"
	"  info          print what the device can do\n"
	"  alloc BYTES   allocate a buffer, map it, look whether it is zeroed and whether\n"
	"                the device sees what is written to it, and print where it is\n"
	"  demo [BYTES]  have the device copy one buffer to another and verify it\n"
	"                through the second one's mapping (default 4194304)\n"
	"  copy FILE     have the device copy FILE from one buffer to another, and\n"
	"                write what the second one's mapping shows to standard output\n"
	"  bench [WAY]... measure what buffers cost, in each of the WAYs to have and\n"
	"                map them that the driver's parameter mmap= names, and from the\n"
	"                dma-buf heaps, heap_system and heap_cma (default: all)\n"
	"\n"
	"Options:\n"
	"  -d DEVICE     all but bench: use DEVICE (default /dev/dmademo0)\n"
	"  -s STRATEGY   alloc, demo and copy: map buffers by dma_mmap, insert_page,\n"
	"                map_pages, remap_pfn, fault or huge (default: what the device\n"
	"                is set up for)\n"
	"  -c            alloc, demo and copy: buffers that the CPU caches, and hand them\n"
	"                over to the device and back\n"
	"  -u            copy: no buffers, the device reads and writes this program's\n"
	"                memory\n"
	"  -h, --help    print this help\n"
	"\n"
	"Exit status: 0 if all is well, 1 if something failed, 2 if the command line\n"
	"is wrong.\n";

/* How messages about the command line end. */
#define TRY_HELP "; try dmademo --help"

/* What copy moves at a time: the largest buffer that every kernel has. */
#define PIECE (4UL << 20)

static const char *device = "/dev/dmademo0";
static uint32_t strategy = DMADEMO_STRATEGY_DEFAULT;
static uint32_t alloc_flags;
static bool user_memory;

static const char * const strategies[] = {
	[DMADEMO_STRATEGY_DEFAULT]	= "default",
	[DMADEMO_STRATEGY_DMA_MMAP]	= "dma_mmap",
	[DMADEMO_STRATEGY_INSERT_PAGE]	= "insert_page",
	[DMADEMO_STRATEGY_MAP_PAGES]	= "map_pages",
	[DMADEMO_STRATEGY_REMAP_PFN]	= "remap_pfn",
	[DMADEMO_STRATEGY_FAULT]	= "fault",
	[DMADEMO_STRATEGY_HUGE]		= "huge",
};

#define NR_STRATEGIES (sizeof(strategies) / sizeof(*strategies))

struct buffer {
	struct dmademo_alloc alloc;
	unsigned char *map;
};

static const char *mode_name(uint32_t mode)
{
	switch (mode) {
	case DMADEMO_MMAP_PAGES:
		return "pages";
	case DMADEMO_MMAP_PFN:
		return "pfn";
	case DMADEMO_MMAP_HUGE:
		return "huge";
	default:
		return "unknown";
	}
}

static int open_device(struct dmademo_info *info)
{
	int fd = open(device, O_RDWR | O_CLOEXEC), ret;

	if (fd < 0 && errno == ENOENT)
		errx(1,
		     "there is no %s: the dmademo driver is not loaded (modprobe dmademo), or has fewer devices (ls /dev/dmademo*)",
		     device);
	if (fd < 0)
		err(1, "cannot open %s%s", device,
		    errno == EACCES ? ", try as root" : "");
	ret = demo_info(fd, info);
	if (ret)
		errx(1, "%s is no DMA demo device (ls /dev/dmademo*): %s",
		     device, strerror(-ret));
	return fd;
}

static struct buffer get_buffer(int fd, const struct dmademo_info *info,
				uint64_t bytes)
{
	struct buffer buf;
	int ret;

	if (bytes > info->max_bytes)
		errx(2, "%llu bytes are too many for a buffer of %s, which may have up to %llu",
		     (unsigned long long)bytes, device,
		     (unsigned long long)info->max_bytes);
	ret = demo_alloc_as(fd, bytes, strategy, alloc_flags, &buf.alloc);
	switch (ret) {
	case 0:
		break;
	case -EOPNOTSUPP:
		errx(1, "%s has no strategy %s for buffers%s; dmademo info prints what it has",
		     device, strategies[strategy],
		     alloc_flags ? " that the CPU caches" : "");
	case -ENOMEM:
		errx(1,
		     "%s has no %llu bytes of contiguous memory left; try fewer, or free some memory",
		     device, (unsigned long long)bytes);
	case -EDQUOT:
		errx(1,
		     "with %llu bytes more, the buffers of %s would have more than %llu; try fewer, or load the driver with a larger max_device_bytes=",
		     (unsigned long long)bytes, device,
		     (unsigned long long)info->max_device_bytes);
	default:
		errx(1, "cannot allocate a buffer of %llu bytes: %s",
		     (unsigned long long)bytes, strerror(-ret));
	}
	buf.map = demo_map(fd, &buf.alloc, 0, buf.alloc.bytes_held);
	if (buf.map == MAP_FAILED)
		err(1, "cannot map buffer %u", buf.alloc.handle);
	return buf;
}

/* The order of the smallest power-of-two number of pages that holds @bytes. */
static unsigned int order_of(uint64_t bytes)
{
	unsigned int order = 0;

	while (((uint64_t)sysconf(_SC_PAGESIZE) << order) < bytes)
		order++;
	return order;
}

static void print_buffer(const struct buffer *buf,
			 const struct dmademo_info *info)
{
	printf("buffer %u: size %llu bytes, order %u, bus address 0x%llx, mapped at %p, mode %s\n",
	       buf->alloc.handle, (unsigned long long)buf->alloc.bytes_held,
	       order_of(buf->alloc.bytes_held),
	       (unsigned long long)buf->alloc.bus_addr, (void *)buf->map,
	       mode_name(info->mmap_mode));
}

static void hand_over(int fd, const struct buffer *buf, uint32_t to)
{
	int ret = demo_sync(fd, buf->alloc.handle, to, 0,
			    buf->alloc.bytes_held);

	if (ret)
		errx(1, "cannot hand over a buffer: %s", strerror(-ret));
}

static void device_copy(int fd, const struct buffer *dst,
			const struct buffer *src, uint64_t length)
{
	int ret;

	hand_over(fd, src, DMADEMO_SYNC_FOR_DEVICE);
	hand_over(fd, dst, DMADEMO_SYNC_FOR_DEVICE);
	ret = demo_copy(fd, dst->alloc.handle, 0, src->alloc.handle, 0, length);
	if (ret)
		errx(1, "the device cannot copy %llu bytes: %s",
		     (unsigned long long)length, strerror(-ret));
	hand_over(fd, dst, DMADEMO_SYNC_FOR_CPU);
}

/* The CRC-32 of what the device sees, and of what the CPU does. */
static void both_sums(int fd, const struct buffer *buf, uint64_t bytes,
		      uint32_t *by_device, uint32_t *by_cpu)
{
	int ret = demo_crc32(fd, buf->alloc.handle, 0, bytes, by_device);

	if (ret)
		errx(1, "the device cannot checksum: %s", strerror(-ret));
	*by_cpu = demo_cpu_crc32(buf->map, bytes);
}

static uint64_t parse_bytes(const char *arg)
{
	unsigned long long bytes;
	char *end;

	errno = 0;
	bytes = strtoull(arg, &end, 0);
	/* It would take blanks and a sign as well. */
	if (!isdigit((unsigned char)*arg) || *end)
		errx(2, "\"%s\" is not a number of bytes" TRY_HELP, arg);
	if (!bytes)
		errx(2, "a buffer has 1 byte or more, not %s" TRY_HELP, arg);
	if (errno)
		errx(2, "%s bytes are too many; dmademo info prints how many a buffer may have",
		     arg);
	return bytes;
}

static int do_info(char **operands)
{
	struct dmademo_info info;
	unsigned int i;

	open_device(&info);
	printf("version %u, requests of up to %llu bytes, mode %s, %s, DMA mask 0x%llx\n",
	       info.version, (unsigned long long)info.max_bytes,
	       mode_name(info.mmap_mode),
	       info.flags & DMADEMO_INFO_COHERENT ? "coherent" : "not coherent",
	       (unsigned long long)info.dma_mask);
	printf("up to %llu bytes in all buffers, %u buffers and %u transfers of a file, %s\n",
	       (unsigned long long)info.max_device_bytes, info.max_buffers,
	       info.max_transfers,
	       info.flags & DMADEMO_INFO_EXPORT ? "dma-bufs in and out" :
						  "dma-bufs in");
	printf("strategies:");
	for (i = 1; i < NR_STRATEGIES; i++)
		if (info.strategies & 1U << i)
			printf(" %s", strategies[i]);
	printf("\n");
	return 0;
}

static int do_alloc(char **operands)
{
	uint64_t bytes = parse_bytes(operands[0]);
	struct dmademo_info info;
	int fd = open_device(&info);
	struct buffer buf = get_buffer(fd, &info, bytes);
	uint32_t by_device, by_cpu;
	uint64_t i;

	for (i = 0; i < buf.alloc.bytes_held; i++)
		if (buf.map[i])
			errx(1, "byte %llu is not 0", (unsigned long long)i);
	demo_fill_pattern(buf.map, bytes);
	hand_over(fd, &buf, DMADEMO_SYNC_FOR_DEVICE);
	both_sums(fd, &buf, bytes, &by_device, &by_cpu);
	if (by_device != by_cpu)
		errx(1, "the device and the CPU see different data");
	print_buffer(&buf, &info);
	printf("zeroed, contiguous, crc32 0x%08x by the device and by the CPU\n",
	       by_cpu);
	return 0;
}

static int do_demo(char **operands)
{
	uint64_t bytes = operands[0] ? parse_bytes(operands[0]) : PIECE;
	struct dmademo_info info;
	int fd = open_device(&info);
	struct buffer src = get_buffer(fd, &info, bytes);
	struct buffer dst = get_buffer(fd, &info, bytes);
	uint32_t by_device, by_cpu;
	uint64_t i;

	print_buffer(&src, &info);
	print_buffer(&dst, &info);

	demo_fill_pattern(src.map, bytes);
	device_copy(fd, &dst, &src, bytes);
	for (i = 0; i < bytes; i++)
		if (dst.map[i] != demo_pattern(i))
			errx(1, "byte %llu is 0x%02x after the copy",
			     (unsigned long long)i, dst.map[i]);
	printf("copied and verified %llu bytes through the second mapping\n",
	       (unsigned long long)bytes);

	both_sums(fd, &dst, bytes, &by_device, &by_cpu);
	printf("crc32 by the device 0x%08x, by the CPU 0x%08x\n", by_device,
	       by_cpu);
	if (by_device != by_cpu)
		errx(1, "the device and the CPU see different data");
	puts("result ok");
	return 0;
}

static void write_all(const unsigned char *data, size_t length)
{
	while (length) {
		ssize_t n = write(STDOUT_FILENO, data, length);

		if (n < 0)
			err(1, "cannot write to standard output");
		data += n;
		length -= n;
	}
}

static int do_copy(char **operands)
{
	const char *path = operands[0];
	int in = open(path, O_RDONLY | O_CLOEXEC), fd, ret;
	struct buffer src = {}, dst = {};
	struct dmademo_info info;
	struct stat st;
	ssize_t n;

	if (in < 0)
		err(1, "cannot open %s", path);
	if (!fstat(in, &st) && S_ISDIR(st.st_mode))
		errx(1, "%s is a directory, and copy needs a file", path);
	fd = open_device(&info);
	if (user_memory) {
		src.map = malloc(PIECE);
		dst.map = malloc(PIECE);
		if (!src.map || !dst.map)
			errx(1, "no memory");
	} else {
		src = get_buffer(fd, &info, PIECE);
		dst = get_buffer(fd, &info, PIECE);
	}
	while ((n = read(in, src.map, PIECE)) > 0) {
		if (user_memory) {
			ret = demo_copy_user(fd, dst.map, src.map, n);
			if (ret)
				errx(1, "the device cannot copy %zd bytes of user memory: %s%s",
				     n, strerror(-ret),
				     ret == -ENOMEM ? " (see ulimit -l)" : "");
		} else {
			device_copy(fd, &dst, &src, n);
		}
		write_all(dst.map, n);
	}
	if (n < 0)
		err(1, "cannot read %s", path);
	return 0;
}

static uint32_t parse_strategy(const char *arg)
{
	uint32_t i;

	for (i = 0; i < NR_STRATEGIES; i++)
		if (!strcmp(arg, strategies[i]))
			return i;
	fprintf(stderr, "dmademo: there is no strategy %s; there are", arg);
	for (i = 0; i < NR_STRATEGIES; i++)
		fprintf(stderr, " %s", strategies[i]);
	fputs(TRY_HELP "\n", stderr);
	exit(2);
}

static const struct command {
	const char *name;
	/* the options, beside -h, that mean something to it */
	const char *options;
	/* the operand that it cannot do without, or NULL */
	const char *needs;
	int most_operands;
	int (*run)(char **operands);
} commands[] = {
	{ "info", "d", NULL, 0, do_info },
	{ "alloc", "cds", "a number of bytes", 1, do_alloc },
	{ "demo", "cds", NULL, 1, do_demo },
	{ "copy", "cdsu", "a file", 1, do_copy },
	{ "bench", "", NULL, INT_MAX, bench },
};

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	errx(2, "there is no command %s" TRY_HELP, name);
}

static void check_options(const struct command *command, const char *options)
{
	for (; *options; options++)
		if (!strchr(command->options, *options))
			errx(2, "%s has no option -%c" TRY_HELP, command->name,
			     *options);
	if (user_memory && (alloc_flags || strategy))
		errx(2, "with -u there are no buffers for -c or -s" TRY_HELP);
}

static void check_operands(const struct command *command, int nr,
			   char **operands)
{
	/* -1 is a wrong number, and a lone - may be a file. */
	if (nr && operands[0][0] == '-' && operands[0][1] &&
	    !isdigit((unsigned char)operands[0][1]))
		errx(2, "%s goes before the command, as all options" TRY_HELP,
		     operands[0]);
	if (!nr && command->needs)
		errx(2, "%s needs %s" TRY_HELP, command->name, command->needs);
	if (nr > command->most_operands)
		errx(2, "%s has no use for %s" TRY_HELP, command->name,
		     operands[command->most_operands]);
}

/* What standard output does not take is a failure, too. */
static void flush_output(void)
{
	errno = EIO; /* if it was earlier, the reason is not known */
	if (fflush(stdout) || ferror(stdout))
		err(1, "cannot write to standard output");
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	const struct command *command;
	char options[8] = "";
	int opt, status;

	while ((opt = getopt_long(argc, argv, "+cd:hs:u", long_options,
				  NULL)) != -1) {
		switch (opt) {
		case 'd':
			device = optarg;
			break;
		case 's':
			strategy = parse_strategy(optarg);
			break;
		case 'c':
			alloc_flags = DMADEMO_ALLOC_CACHED;
			break;
		case 'u':
			user_memory = true;
			break;
		case 'h':
			fputs(usage, stdout);
			flush_output();
			return 0;
		default:
			/* getopt_long() has said what is wrong. */
			fputs("Try dmademo --help.\n", stderr);
			return 2;
		}
		if (!strchr(options, opt))
			options[strlen(options)] = opt;
	}
	argc -= optind;
	argv += optind;

	if (!argc)
		errx(2, "there is no command" TRY_HELP);
	command = find_command(argv[0]);
	check_options(command, options);
	check_operands(command, argc - 1, argv + 1);
	status = command->run(argv + 1);
	flush_output();
	return status;
}
