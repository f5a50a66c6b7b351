// SPDX-License-Identifier: GPL-2.0
/*
 * Bad arguments to /dev/dmademo0: every member of every structure at its limits and
 * beyond them has one result, which is known, and what fails changes nothing.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include "kselftest_harness.h"
#include "dmademo_test.h"

/* What any of the calls takes. */
union arg {
	struct dmademo_info info;
	struct dmademo_alloc alloc;
	struct dmademo_free free;
	struct dmademo_run run;
	struct dmademo_sync sync;
	struct dmademo_export export;
};

/* Handles: of buffers that are there, not any more, and in another file. */
enum { A = 1, B, SHARED, FREED, FOREIGN = 8 };

enum { info_call, alloc_call, free_call, run_call, sync_call, export_call, NR_CALLS };

/* Arguments that work, but for a buffer that is to be made. */
static const struct {
	unsigned long cmd;
	union arg good;
} calls[] = {
	[info_call]	= { DMADEMO_IOC_INFO },
	[alloc_call]	= { DMADEMO_IOC_ALLOC, { .alloc.bytes = 1 } },
	[free_call]	= { DMADEMO_IOC_FREE, { .free.handle = FREED } },
	[run_call]	= { DMADEMO_IOC_RUN, { .run = { .src = A, .dst = B, .length = 3 } } },
	[sync_call]	= { DMADEMO_IOC_SYNC, { .sync = { SHARED, 1 | 4, .length = 3 } } },
	[export_call]	= { DMADEMO_IOC_EXPORT, { .export.handle = SHARED } },
};

/* What a call comes to with each value of a member, the one whose bits are set. */
struct row {
	int result, call;
	const char *name;
	union arg member;
	size_t nr;
	const uint64_t *values;
};

#define ROWS(result, call, member, nr, values) \
	{ result, call##_call, #call "." #member, { .call.member = -1 }, nr, values }

#define ROW(result, call, member, ...)					\
	ROWS(result, call, member, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8, \
	     ((const uint64_t[]){ __VA_ARGS__ }))

/* Of nothing in this file; the last two are to be the limit, and beyond it. */
static uint64_t no_handles[] = { FREED, FOREIGN, INT32_MAX, UINT32_MAX, 0, 0 };

#define NO_HANDLE(result, call, member) ROWS(result, call, member, 6, no_handles)

FIXTURE(args) {
	int fd, other, next_fd;
	struct dmademo_info info;
	unsigned char *a, *b;
	/* two pages, one that can only be read, and one for nobody */
	unsigned char *user;
	int zero;	/* what a call with handle 0 comes to */
	uint32_t flags;	/* of a buffer that can be exported */
};

FIXTURE_SETUP(args)
{
	struct dmademo_alloc alloc[FOREIGN + 1];
	int i;

	page_size = sysconf(_SC_PAGESIZE);
	self->fd = open(DEVICE, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	self->other = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->other);
	ASSERT_EQ(0, demo_info(self->fd, &self->info));
	self->zero = self->info.buffer_bytes ? 0 : -ENOENT;
	self->flags = export_flags(&self->info);
	for (i = A; i <= FOREIGN; i++)
		ASSERT_EQ(0, demo_alloc(self->other, 1, &alloc[i]));
	for (i = A; i <= FREED; i++)
		ASSERT_EQ(0, demo_alloc_flags(self->fd, 1, i == SHARED ?
					      self->flags : 0, &alloc[i]));
	ASSERT_EQ(0, demo_free(self->fd, FREED));
	self->a = map(self->fd, &alloc[A]);
	self->b = map(self->fd, &alloc[B]);
	ASSERT_TRUE(self->a && self->b);
	no_handles[4] = self->info.max_buffers;
	no_handles[5] = self->info.max_buffers + 1;
	self->user = mmap(NULL, 4 * page_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->user);
	memset(self->user, 1, 3 * page_size);
	ASSERT_EQ(0, mprotect(self->user + 2 * page_size, page_size, PROT_READ));
	ASSERT_EQ(0, mprotect(self->user + 3 * page_size, page_size, PROT_NONE));
	self->next_fd = dup(self->fd);
	close(self->next_fd);
}

/* All buffers are there, and neither a handle, a descriptor nor a page is lost. */
FIXTURE_TEARDOWN(args)
{
	struct dmademo_alloc alloc;
	uint32_t i;

	for (i = A; i <= SHARED; i++)
		EXPECT_EQ(0, demo_fill(self->fd, i, 0, 1, 0));
	EXPECT_EQ(0, demo_fill(self->other, FOREIGN, 0, 1, 0));
	EXPECT_EQ(0, demo_alloc(self->fd, 1, &alloc));
	EXPECT_EQ(FREED, alloc.handle);
	EXPECT_EQ(self->next_fd, dup(self->fd));
	EXPECT_EQ(0, demo_proc_bytes("/proc/self/status", "VmLck"));
}

/* One member at a time of an argument, that of calls[] if it is NULL. */
static void try_rows(struct __test_metadata *_metadata, struct _test_data_args *self,
		     const struct row *row, size_t nr, const union arg *good)
{
	for (; nr--; row++) {
		const unsigned char *member = (void *)&row->member;
		size_t at, i;

		for (at = 0; !member[at]; at += 4)
			;
		for (i = 0; i < row->nr; i++) {
			const uint32_t word = row->values[i];
			union arg arg = good ? *good : calls[row->call].good, before;

			if (at % 8 || !member[at + 4])
				memcpy((char *)&arg + at, &word, 4);
			else
				memcpy((char *)&arg + at, &row->values[i], 8);
			before = arg;
			memset(self->a, 0xa5, page_size);
			memset(self->b, 0x5a, page_size);
			EXPECT_EQ(row->result, demo_call(self->fd, calls[row->call].cmd, &arg))
				TH_LOG("%s: %#llx", row->name,
				       (unsigned long long)row->values[i]);
			if (!row->result)
				continue;
			EXPECT_EQ(0, memcmp(&arg, &before, sizeof(arg)));
			EXPECT_TRUE(is_filled(self->a, 0xa5, page_size));
			EXPECT_TRUE(is_filled(self->b, 0x5a, page_size));
		}
	}
}

TEST_F(args, members)
{
	const struct row rows[] = {
		/* The last but one is 0 when it is rounded up. */
		ROW(-EINVAL, alloc, bytes, 0, self->info.max_bytes + 1, UINT32_MAX,
		    1ULL << 32, INT64_MAX, UINT64_MAX - page_size + 2, UINT64_MAX),
		ROW(-EINVAL, alloc, flags, 3, 7, 8, 1U << 31, UINT32_MAX),
		ROW(-ENOENT, free, handle, 0),
		NO_HANDLE(-ENOENT, free, handle),
		ROW(-EINVAL, free, __reserved, 1, INT32_MAX, UINT32_MAX),
		ROW(0, sync, flags, 1 | 4, 1 | 8, 1 | 4 | 8, 2 | 4, 2 | 8, 2 | 4 | 8),
		ROW(-EINVAL, sync, flags, 0, 1, 2, 3, 4, 8, 12),
		ROW(-EINVAL, sync, flags, 3 | 4, 3 | 8, 15, 16 | 5, 1U << 31 | 5),
		ROW(self->zero, sync, handle, 0),
		ROW(0, sync, handle, A, B),
		NO_HANDLE(-ENOENT, sync, handle),
		ROW(0, sync, offset, 1, page_size - 3),
		ROW(-ERANGE, sync, offset, page_size - 2, page_size, UINT32_MAX,
		    INT64_MAX, UINT64_MAX),
		ROW(-EINVAL, sync, length, 0),
		ROW(0, sync, length, 1, page_size),
		ROW(-ERANGE, sync, length, page_size + 1, 1ULL << 32, UINT64_MAX),
		NO_HANDLE(-ENOENT, export, handle),
		ROW(-ENOENT, export, handle, self->zero ? 0 : FREED),
		/* Others would see something else than the device. */
		ROW(self->flags ? -EOPNOTSUPP : -ENOENT, export, handle,
		    self->flags ? A : FREED),
	};

	try_rows(_metadata, self, rows, ARRAY_SIZE(rows), NULL);
}

TEST_F(args, run)
{
	uint32_t op;

	for (op = DMADEMO_OP_COPY; op <= DMADEMO_OP_CRC32; op++) {
		const int reads = op != DMADEMO_OP_FILL;
		const int writes = op != DMADEMO_OP_CRC32;
		const union arg good = {
			.run = { op, 0, reads ? A : 0, writes ? B : 0, .length = 3 },
		};
		const struct row rows[] = {
			ROW(-EINVAL, run, op, 3, INT32_MAX, UINT32_MAX),
			/* for a side that has a handle, or is not used */
			ROW(-EINVAL, run, flags, 1, 2, 3, 4, 1U << 31, UINT32_MAX),
			ROW(reads ? self->zero : 0, run, src, 0),
			NO_HANDLE(reads ? -ENOENT : -EINVAL, run, src),
			/* onto itself */
			ROW(writes ? -EINVAL : 0, run, src, B),
			ROW(writes ? self->zero : 0, run, dst, 0),
			NO_HANDLE(writes ? -ENOENT : -EINVAL, run, dst),
			ROW(reads ? -EINVAL : 0, run, dst, A),
			ROW(reads ? 0 : -EINVAL, run, src_offset, 1, page_size - 3),
			ROW(reads ? -ERANGE : -EINVAL, run, src_offset, page_size - 2,
			    page_size, UINT32_MAX, INT64_MAX, UINT64_MAX),
			ROW(writes ? 0 : -EINVAL, run, dst_offset, 1, page_size - 3),
			ROW(writes ? -ERANGE : -EINVAL, run, dst_offset, page_size - 2,
			    page_size, UINT32_MAX, INT64_MAX, UINT64_MAX),
			ROW(0, run, length, 1, page_size),
			ROW(-ERANGE, run, length, page_size + 1, self->info.max_bytes),
			ROW(-EINVAL, run, length, 0, self->info.max_bytes + 1, 1ULL << 32,
			    UINT32_MAX, INT64_MAX, UINT64_MAX),
			ROW(reads ? -EINVAL : 0, run, value, 1, 255),
			ROW(-EINVAL, run, value, 256, INT32_MAX, UINT32_MAX),
			ROW(-EINVAL, run, __reserved, 1, UINT32_MAX),
		};

		try_rows(_metadata, self, rows, ARRAY_SIZE(rows), &good);
	}
}

/* Two bytes from the first page to the second one. */
TEST_F(args, run_on_user_memory)
{
	const uint64_t user = (uintptr_t)self->user, second = user + page_size;
	const uint64_t read_only = second + page_size, hole = read_only + page_size;
	/* the NULL page, what is not there, or the second byte is not, the kernel's */
	const uint64_t nothing[] = {
		0, 1, hole, hole - 1, -4096UL, INT64_MAX, UINT64_MAX - 1, UINT64_MAX,
	};
	const union arg good = {
		.run = { .flags = 3, .src_offset = user, .dst_offset = second, .length = 2 },
	};
	const struct row rows[] = {
		ROW(0, run, src_offset, user + 1, second - 2, read_only, hole - 2),
		ROW(0, run, dst_offset, second + 1, user + 2, read_only - 2),
		ROWS(-EFAULT, run, src_offset, ARRAY_SIZE(nothing), nothing),
		ROWS(-EFAULT, run, dst_offset, ARRAY_SIZE(nothing), nothing),
		ROW(-EFAULT, run, dst_offset, read_only - 1, read_only),
		ROW(-EINVAL, run, dst_offset, user, user + 1),
		NO_HANDLE(-EINVAL, run, src),
		NO_HANDLE(-EINVAL, run, dst),
		/* Of the second one there is no more than a page that can be written. */
		ROW(0, run, length, 1, page_size),
		ROW(-EINVAL, run, length, 0, page_size + 1, UINT64_MAX),
		/* Without, they are offsets in another buffer. */
		ROW(self->zero ?: -ERANGE, run, flags, 0),
	};

	try_rows(_metadata, self, rows, ARRAY_SIZE(rows), &good);
}

/* A good call, but there are no more than some bytes of its argument. */
static int call_at_end(struct __test_metadata *_metadata, struct _test_data_args *self,
		       int call, size_t bytes, int prot)
{
	unsigned char *page = self->user + 2 * page_size;
	union arg *arg = (void *)page + page_size - bytes;
	struct dmademo_alloc alloc;
	int ret;

	ASSERT_EQ(0, demo_alloc(self->fd, 1, &alloc));
	ASSERT_EQ(FREED, alloc.handle);
	if (call != free_call)
		ASSERT_EQ(0, demo_free(self->fd, FREED));
	ASSERT_EQ(0, mprotect(page, page_size, PROT_READ | PROT_WRITE));
	memcpy(arg, &calls[call].good, bytes);
	ASSERT_EQ(0, mprotect(page, page_size, prot));
	ret = demo_call(self->fd, calls[call].cmd, arg);
	if (!ret && call == export_call)
		EXPECT_EQ(0, close(arg->export.fd));
	/* Whether that is what it has made, or should have freed. */
	EXPECT_EQ((call == alloc_call && !ret) || (call == free_call && ret) ? 0 :
		  -ENOENT, demo_free(self->fd, FREED));
	return ret;
}

TEST_F(args, numbers_and_pointers)
{
	const int both = PROT_READ | PROT_WRITE;
	void *bad[] = { NULL, self->user + 3 * page_size, (void *)-4096UL, (void *)-1UL };
	size_t call, i;

	for (call = 0; call < NR_CALLS; call++) {
		const unsigned long cmd = calls[call].cmd;

		/* an older interface, another one, and one with another size */
		EXPECT_EQ(-ENOTTY, demo_call(self->fd, _IO(0xBB, call), self->user));
		EXPECT_EQ(-ENOTTY, demo_call(self->fd, cmd + NR_CALLS, self->user));
		EXPECT_EQ(-ENOTTY, demo_call(self->fd, cmd + (8 << _IOC_SIZESHIFT),
					     self->user));
		for (i = 0; i < ARRAY_SIZE(bad); i++)
			EXPECT_EQ(-EFAULT, demo_call(self->fd, cmd, bad[i]));
		for (i = 0; i < _IOC_SIZE(cmd); i += 4)
			EXPECT_EQ(-EFAULT, call_at_end(_metadata, self, call, i, both))
				TH_LOG("call %zu, %zu bytes", call, i);
		EXPECT_EQ(0, call_at_end(_metadata, self, call, i, both));
		/* What cannot be told has not happened. */
		EXPECT_EQ(_IOC_DIR(cmd) & _IOC_READ ? -EFAULT : 0,
			  call_at_end(_metadata, self, call, i, PROT_READ));
	}
}

TEST_F(args, no_descriptor_left)
{
	struct rlimit limit, none;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = (struct rlimit){ self->next_fd, limit.rlim_max };
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, demo_export(self->fd, SHARED));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
}

TEST_F(args, no_handle_left)
{
	const uint32_t max = self->info.max_buffers;
	struct dmademo_alloc alloc;
	uint32_t i;

	if (max * page_size > self->info.max_device_bytes / 2)
		SKIP(return, "needs a higher limit, dmademo.max_device_bytes=");
	for (i = FREED; i <= max; i++)
		ASSERT_EQ(0, demo_alloc(self->fd, 1, &alloc));
	EXPECT_EQ(max, alloc.handle);
	EXPECT_EQ(-ENOSPC, demo_alloc(self->fd, 1, &alloc));
	/* Whichever is freed is the next one, and as good as any. */
	for (i = max; i > SHARED; i /= 2) {
		ASSERT_EQ(0, demo_free(self->fd, i));
		ASSERT_EQ(0, demo_alloc(self->fd, 1, &alloc));
		EXPECT_EQ(i, alloc.handle);
		EXPECT_EQ(0, demo_fill(self->fd, i, 0, 1, 1));
	}
	for (i = FREED; i <= max; i++)
		ASSERT_EQ(0, demo_free(self->fd, i));
}

TEST_HARNESS_MAIN
