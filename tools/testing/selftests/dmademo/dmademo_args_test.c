// SPDX-License-Identifier: GPL-2.0
/*
 * Bad input to /dev/dmademo0: every member of every structure at its limits and
 * beyond them, two at a time.  Each call has to end, with an error that is
 * documented for it, and nothing may be left of it.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

/* A member of a structure, and what it is to be set to. */
struct member {
	size_t offset;
	size_t size;
	const uint64_t *values;
	size_t nr;
};

struct call {
	const char *name;
	unsigned long cmd;
	/* one that works */
	union {
		struct dmademo_info info;
		struct dmademo_alloc alloc;
		struct dmademo_free free;
		struct dmademo_run run;
		struct dmademo_wait wait;
		struct dmademo_sync sync;
		struct dmademo_export export;
		struct dmademo_import import;
		unsigned char bytes[128];
	} good;
	/* errors that it may have, besides EINVAL */
	int errors[16];
	struct member members[12];
	unsigned int nr_members;
};

static void vary(struct call *call, const void *member, size_t size,
		 const uint64_t *values, size_t nr)
{
	call->members[call->nr_members++] = (struct member){
		.offset = (const unsigned char *)member - call->good.bytes,
		.size = size,
		.values = values,
		.nr = nr,
	};
}

static void vary32(struct call *call, const __u32 *member,
		   const uint64_t *values, size_t nr)
{
	vary(call, member, sizeof(*member), values, nr);
}

static void vary64(struct call *call, const __u64 *member,
		   const uint64_t *values, size_t nr)
{
	vary(call, member, sizeof(*member), values, nr);
}

/* Every call's first member; @sizes is the caller's, as it is still needed. */
static void vary_size(struct call *call, uint64_t sizes[10])
{
	const uint64_t size = call->good.info.size;
	const uint64_t values[10] = {
		0, 1, 4, size - 1, size, size + 1, 127, 4096, 4097, UINT32_MAX,
	};

	memcpy(sizes, values, sizeof(values));
	vary32(call, &call->good.info.size, sizes, 10);
}

static const uint64_t bits[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 31, 32, UINT32_MAX };
static const uint64_t words[] = { 0, 1, UINT32_MAX };
static const uint64_t numbers[] = {
	0, 1, 2, 1000000, (1ULL << 32) - 1, 1ULL << 32, INT64_MAX, 1ULL << 63,
	UINT64_MAX - 1, UINT64_MAX,
};

FIXTURE(args) {
	int fd;
	int other;
	uint64_t before;
	struct dmademo_info info;
	struct dmademo_alloc a, b, foreign, freed;
	unsigned char *user;
	uint64_t sizes[10];
	uint64_t handles[7];
	uint64_t ranges[14];
};

/* Those that are known only now. */
static void set_values(struct _test_data_args *self)
{
	const uint64_t handles[] = {
		0, self->a.handle, self->foreign.handle, self->freed.handle,
		self->info.max_buffers, self->info.max_buffers + 1, UINT32_MAX,
	};
	const uint64_t ranges[] = {
		0, 1, page_size - 1, page_size, page_size + 1,
		self->info.max_bytes, self->info.max_bytes + 1, 1ULL << 32,
		INT64_MAX, 1ULL << 63, UINT64_MAX - 1, UINT64_MAX,
		(uintptr_t)self->user, (uintptr_t)self->user + 2 * page_size - 1,
	};

	memcpy(self->handles, handles, sizeof(self->handles));
	memcpy(self->ranges, ranges, sizeof(self->ranges));
}

FIXTURE_SETUP(args)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->fd = open(DEVICE, O_RDWR | O_NONBLOCK);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
	self->other = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->other);
	ASSERT_EQ(0, demo_info(self->fd, &self->info));
	ASSERT_EQ(0, demo_alloc(self->fd, page_size, &self->a));
	ASSERT_EQ(0, demo_alloc(self->fd, page_size, &self->b));
	/* Handles are numbers of a file, so make sure it is another one. */
	ASSERT_EQ(0, demo_alloc(self->other, page_size, &self->foreign));
	ASSERT_EQ(0, demo_free(self->other, self->foreign.handle));
	while (self->foreign.handle <= self->b.handle + 1)
		ASSERT_EQ(0, demo_alloc(self->other, page_size,
					&self->foreign));
	ASSERT_EQ(0, demo_alloc(self->fd, page_size, &self->freed));
	ASSERT_EQ(0, demo_free(self->fd, self->freed.handle));
	self->user = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->user);
	memset(self->user, 1, 2 * page_size);
	set_values(self);
	usleep(200000);
	self->before = demo_free_memory();
}

FIXTURE_TEARDOWN(args)
{
	struct dmademo_completion done;
	uint64_t after;

	while (read(self->fd, &done, sizeof(done)) > 0)
		;
	close(self->fd);
	close(self->other);
	usleep(300000);
	after = demo_free_memory();
	EXPECT_LE(self->before, after + (8 << 20));
}

/* Takes back what a call that worked has left. */
static void undo(int fd, const struct call *call, const void *arg)
{
	const struct dmademo_alloc *alloc = arg;
	const struct dmademo_import *import = arg;
	const struct dmademo_export *export = arg;
	struct dmademo_completion done;

	switch (call->cmd) {
	case DMADEMO_IOC_ALLOC:
		demo_free(fd, alloc->handle);
		break;
	case DMADEMO_IOC_IMPORT:
		demo_free(fd, import->handle);
		break;
	case DMADEMO_IOC_EXPORT:
		close(export->fd);
		break;
	case DMADEMO_IOC_RUN:
		while (read(fd, &done, sizeof(done)) > 0)
			;
		break;
	}
}

static int is_allowed(const struct call *call, int error)
{
	const int *e;

	for (e = call->errors; *e; e++)
		if (*e == error)
			return 1;
	return !error || error == EINVAL;
}

static void set(void *arg, const struct member *m, int i)
{
	/* little endian or a whole word: the same */
	if (m->size == 4) {
		uint32_t value = m->values[i];

		memcpy(arg + m->offset, &value, sizeof(value));
	} else {
		memcpy(arg + m->offset, &m->values[i], sizeof(uint64_t));
	}
}

static unsigned int try_pair(struct __test_metadata *_metadata, int fd,
			     const struct call *call, const struct member *m,
			     const struct member *n)
{
	unsigned char arg[sizeof(call->good)];
	unsigned int calls = 0;
	size_t i, j;
	int error;

	for (i = 0; i < m->nr; i++)
		for (j = 0; j < n->nr; j++) {
			memcpy(arg, &call->good, sizeof(arg));
			set(arg, m, i);
			set(arg, n, j);
			error = ioctl(fd, call->cmd, arg) ? errno : 0;
			calls++;
			if (!error)
				undo(fd, call, arg);
			EXPECT_TRUE(is_allowed(call, error))
				TH_LOG("%s: %#llx at %zu, %#llx at %zu: %s",
				       call->name,
				       (unsigned long long)m->values[i],
				       m->offset,
				       (unsigned long long)n->values[j],
				       n->offset, strerror(error));
		}
	return calls;
}

/* The number of calls that were made. */
static unsigned int try_all(struct __test_metadata *_metadata, int fd,
			    const struct call *call)
{
	unsigned int calls = 0, i, j;

	for (i = 0; i < call->nr_members; i++)
		for (j = i + 1; j < call->nr_members; j++)
			calls += try_pair(_metadata, fd, call,
					  &call->members[i],
					  &call->members[j]);
	return calls;
}

TEST_F(args, info)
{
	struct call call = {
		.name = "info",
		.cmd = DMADEMO_IOC_INFO,
		.good.info = { .size = sizeof(struct dmademo_info) },
		.errors = { E2BIG },
	};
	struct dmademo_info *info = &call.good.info;

	vary_size(&call, self->sizes);
	vary32(&call, &info->version, words, ARRAY_SIZE(words));
	vary32(&call, &info->flags, bits, ARRAY_SIZE(bits));
	vary32(&call, &info->__reserved, words, ARRAY_SIZE(words));
	EXPECT_LT(100, try_all(_metadata, self->fd, &call));
}

TEST_F_TIMEOUT(args, alloc, 300)
{
	struct call call = {
		.name = "alloc",
		.cmd = DMADEMO_IOC_ALLOC,
		.good.alloc = {
			.size = sizeof(struct dmademo_alloc),
			.bytes = 1,
		},
		.errors = { E2BIG, ENOMEM, EDQUOT, EOPNOTSUPP },
	};
	struct dmademo_alloc *alloc = &call.good.alloc;

	vary_size(&call, self->sizes);
	vary32(&call, &alloc->flags, bits, ARRAY_SIZE(bits));
	vary64(&call, &alloc->bytes, self->ranges, ARRAY_SIZE(self->ranges));
	vary32(&call, &alloc->strategy, bits, ARRAY_SIZE(bits));
	vary32(&call, &alloc->handle, words, ARRAY_SIZE(words));
	vary64(&call, &alloc->bus_addr, numbers, ARRAY_SIZE(numbers));
	EXPECT_LT(500, try_all(_metadata, self->fd, &call));
}

TEST_F(args, free)
{
	struct call call = {
		.name = "free",
		.cmd = DMADEMO_IOC_FREE,
		.good.free = { .size = sizeof(struct dmademo_free) },
		.errors = { E2BIG, ENOENT },
	};

	vary_size(&call, self->sizes);
	vary32(&call, &call.good.free.handle, self->handles,
	       ARRAY_SIZE(self->handles));
	EXPECT_LT(50, try_all(_metadata, self->fd, &call));
	EXPECT_EQ(0, demo_fill(self->fd, self->b.handle, 0, 1, 1));
}

static void try_run(struct __test_metadata *_metadata,
		    struct _test_data_args *self, const struct dmademo_run *good)
{
	struct call call = {
		.name = "run",
		.cmd = DMADEMO_IOC_RUN,
		.good.run = *good,
		.errors = { E2BIG, ENOENT, ERANGE, EFAULT, EPERM, EAGAIN,
			    ENOMEM, EIO },
	};
	const uint64_t values[] = { 0, 1, 255, 256, UINT32_MAX };
	struct dmademo_run *run = &call.good.run;

	vary_size(&call, self->sizes);
	vary32(&call, &run->op, bits, ARRAY_SIZE(bits));
	vary32(&call, &run->src, self->handles, ARRAY_SIZE(self->handles));
	vary32(&call, &run->dst, self->handles, ARRAY_SIZE(self->handles));
	vary64(&call, &run->src_offset, self->ranges, ARRAY_SIZE(self->ranges));
	vary64(&call, &run->dst_offset, self->ranges, ARRAY_SIZE(self->ranges));
	vary64(&call, &run->length, self->ranges, ARRAY_SIZE(self->ranges));
	vary32(&call, &run->value, values, ARRAY_SIZE(values));
	vary32(&call, &run->flags, bits, ARRAY_SIZE(bits));
	vary64(&call, &run->cookie, numbers, ARRAY_SIZE(numbers));
	EXPECT_LT(3000, try_all(_metadata, self->fd, &call));
	EXPECT_EQ(0, demo_fill(self->fd, self->b.handle, 0, 1, 1));
}

TEST_F_TIMEOUT(args, run, 300)
{
	const struct dmademo_run good = {
		.size = sizeof(good),
		.op = DMADEMO_OP_COPY,
		.src = self->a.handle,
		.dst = self->b.handle,
		.length = 1,
	};

	try_run(_metadata, self, &good);
}

TEST_F_TIMEOUT(args, run_on_user_memory, 300)
{
	const struct dmademo_run good = {
		.size = sizeof(good),
		.op = DMADEMO_OP_COPY,
		.src_offset = (uintptr_t)self->user,
		.dst_offset = (uintptr_t)self->user + page_size,
		.length = page_size,
		.flags = DMADEMO_RUN_SRC_USER | DMADEMO_RUN_DST_USER |
			 DMADEMO_RUN_ASYNC,
	};

	try_run(_metadata, self, &good);
}

TEST_F_TIMEOUT(args, run_on_bus_addresses, 300)
{
	const struct dmademo_run good = {
		.size = sizeof(good),
		.op = DMADEMO_OP_REVERSE,
		.src_offset = self->a.bus_addr,
		.dst_offset = self->b.bus_addr,
		.length = page_size,
		.flags = DMADEMO_RUN_SRC_BUS | DMADEMO_RUN_DST_BUS,
	};

	try_run(_metadata, self, &good);
}

TEST_F(args, wait)
{
	struct dmademo_run run = { .value = 1 };
	struct call call = {
		.name = "wait",
		.cmd = DMADEMO_IOC_WAIT,
		.good.wait = { .size = sizeof(struct dmademo_wait) },
		.errors = { E2BIG, ENOENT, ETIMEDOUT },
	};
	struct dmademo_wait *wait = &call.good.wait;

	ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_FILL, self->a.handle, 0, 0,
			      0, 1, DMADEMO_RUN_ASYNC, &run));
	vary_size(&call, self->sizes);
	vary32(&call, &wait->flags, words, ARRAY_SIZE(words));
	vary64(&call, &wait->cookie, numbers, ARRAY_SIZE(numbers));
	vary64(&call, &wait->timeout_ns, numbers, ARRAY_SIZE(numbers));
	EXPECT_LT(100, try_all(_metadata, self->fd, &call));
}

TEST_F(args, sync)
{
	struct call call = {
		.name = "sync",
		.cmd = DMADEMO_IOC_SYNC,
		.good.sync = {
			.size = sizeof(struct dmademo_sync),
			.flags = DMADEMO_SYNC_FOR_CPU,
			.handle = self->a.handle,
			.length = 1,
		},
		.errors = { E2BIG, ENOENT, ERANGE },
	};
	struct dmademo_sync *sync = &call.good.sync;

	vary_size(&call, self->sizes);
	vary32(&call, &sync->flags, bits, ARRAY_SIZE(bits));
	vary32(&call, &sync->handle, self->handles, ARRAY_SIZE(self->handles));
	vary32(&call, &sync->__reserved, words, ARRAY_SIZE(words));
	vary64(&call, &sync->offset, self->ranges, ARRAY_SIZE(self->ranges));
	vary64(&call, &sync->length, self->ranges, ARRAY_SIZE(self->ranges));
	EXPECT_LT(500, try_all(_metadata, self->fd, &call));
}

TEST_F(args, export)
{
	struct call call = {
		.name = "export",
		.cmd = DMADEMO_IOC_EXPORT,
		.good.export = {
			.size = sizeof(struct dmademo_export),
			.handle = self->a.handle,
		},
		.errors = { E2BIG, ENOENT, EOPNOTSUPP },
	};
	const uint64_t flags[] = {
		0, 1, 2, 3, O_CLOEXEC, O_CLOEXEC | O_RDWR, O_NONBLOCK,
		UINT32_MAX,
	};
	struct dmademo_export *export = &call.good.export;

	vary_size(&call, self->sizes);
	vary32(&call, &export->handle, self->handles,
	       ARRAY_SIZE(self->handles));
	vary32(&call, &export->fd_flags, flags, ARRAY_SIZE(flags));
	EXPECT_LT(100, try_all(_metadata, self->fd, &call));
}

TEST_F(args, import)
{
	struct call call = {
		.name = "import",
		.cmd = DMADEMO_IOC_IMPORT,
		.good.import = {
			.size = sizeof(struct dmademo_import),
			.fd = -1,
		},
		.errors = { E2BIG, EBADF },
	};
	const uint64_t fds[] = { 0, 1, self->fd, 1 << 20, INT_MAX, UINT32_MAX };
	struct dmademo_import *import = &call.good.import;

	vary_size(&call, self->sizes);
	vary32(&call, &import->flags, words, ARRAY_SIZE(words));
	vary(&call, &import->fd, sizeof(import->fd), fds, ARRAY_SIZE(fds));
	vary32(&call, &import->handle, words, ARRAY_SIZE(words));
	EXPECT_LT(50, try_all(_metadata, self->fd, &call));
}

/* The structure at the end of a page, with nothing behind it. */
TEST_F(args, end_of_memory)
{
	unsigned char *p;
	unsigned int nr;
	uint32_t size;

	p = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, munmap(p + page_size, page_size));
	for (nr = 0; nr < 8; nr++)
		for (size = 4; size <= 128; size += 4) {
			uint32_t claim = 128;
			int ret;

			memset(p, 0, page_size);
			memcpy(p + page_size - size, &claim, sizeof(claim));
			ret = ioctl(self->fd, _IO(DMADEMO_IOC_TYPE, nr),
				    p + page_size - size);
			if (size < claim) {
				EXPECT_EQ(-1, ret);
				EXPECT_EQ(EFAULT, errno);
			}
		}
}

TEST_HARNESS_MAIN
