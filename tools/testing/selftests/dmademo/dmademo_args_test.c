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
	const char *name;
	size_t offset;
	size_t size;
	uint64_t values[16];
	int nr;
};

struct call {
	const char *name;
	unsigned long cmd;
	size_t size;
	/* a call that works */
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
	/* errors that it may have */
	int errors[16];
	struct member members[12];
};

#define VALUES(...)					\
	{ __VA_ARGS__ },				\
	sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t)

#define MEMBER(type, member, ...)			\
	{ #member, offsetof(struct type, member),	\
	  sizeof(((struct type *)0)->member), VALUES(__VA_ARGS__) }

#define GIB (1ULL << 30)

FIXTURE(args) {
	int fd;
	int other;
	uint64_t before;
	struct dmademo_info info;
	struct dmademo_alloc a, b, foreign, freed;
	unsigned char *user;
};

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

static unsigned int try_all(struct __test_metadata *_metadata, int fd,
			    const struct call *call)
{
	const struct member *m, *n;
	unsigned char arg[128];
	unsigned int calls = 0;
	int i, j, error;

	for (m = call->members; m->name; m++)
		for (i = 0; i < m->nr; i++)
			for (n = m; n->name; n++)
				for (j = 0; j < n->nr; j++) {
					memcpy(arg, &call->good, sizeof(arg));
					set(arg, m, i);
					if (n != m)
						set(arg, n, j);
					else if (j)
						break;
					errno = 0;
					error = ioctl(fd, call->cmd, arg) ?
						errno : 0;
					calls++;
					if (!error)
						undo(fd, call, arg);
					EXPECT_TRUE(is_allowed(call, error))
						TH_LOG("%s: %s=%#llx, %s=%#llx: %s",
						       call->name, m->name,
						       (unsigned long long)m->values[i],
						       n->name,
						       (unsigned long long)n->values[j],
						       strerror(error));
				}
	return calls;
}

#define SIZES(type)							\
	0, 1, 4, sizeof(struct type) - 1, sizeof(struct type),		\
	sizeof(struct type) + 1, 127, 4096, 4097, UINT32_MAX

#define HANDLES(self)							\
	0, (self)->a.handle, (self)->foreign.handle,			\
	(self)->freed.handle, (self)->info.max_buffers,			\
	(self)->info.max_buffers + 1, UINT32_MAX

#define RANGE(size)							\
	0, 1, (size) - 1, (size), (size) + 1, GIB, GIB + 1,		\
	1ULL << 32, INT64_MAX, 1ULL << 63, UINT64_MAX - 1, UINT64_MAX

TEST_F(args, info)
{
	struct call call = {
		.name = "info",
		.cmd = DMADEMO_IOC_INFO,
		.good.info = { .size = sizeof(struct dmademo_info) },
		.errors = { E2BIG },
		.members = {
			MEMBER(dmademo_info, size, SIZES(dmademo_info)),
			MEMBER(dmademo_info, version, 0, 1, UINT32_MAX),
			MEMBER(dmademo_info, flags, 0, 1, 2, 4, UINT32_MAX),
			MEMBER(dmademo_info, __reserved, 0, 1, UINT32_MAX),
		},
	};

	EXPECT_LT(100, try_all(_metadata, self->fd, &call));
}

TEST_F(args, alloc)
{
	struct call call = {
		.name = "alloc",
		.cmd = DMADEMO_IOC_ALLOC,
		.good.alloc = {
			.size = sizeof(struct dmademo_alloc),
			.bytes = 1,
		},
		.errors = { E2BIG, ENOMEM, EDQUOT, EOPNOTSUPP },
		.members = {
			MEMBER(dmademo_alloc, size, SIZES(dmademo_alloc)),
			MEMBER(dmademo_alloc, flags, 0, 1, 2, 3, 4, UINT32_MAX),
			MEMBER(dmademo_alloc, bytes, 0, 1, page_size - 1,
			       page_size, page_size + 1, GIB, GIB + 1,
			       1ULL << 32, 1ULL << 63, UINT64_MAX),
			MEMBER(dmademo_alloc, strategy, 0, 1, 2, 5, 6, 7,
			       UINT32_MAX),
			MEMBER(dmademo_alloc, handle, 0, UINT32_MAX),
			MEMBER(dmademo_alloc, bus_addr, 0, UINT64_MAX),
		},
	};

	EXPECT_LT(500, try_all(_metadata, self->fd, &call));
}

TEST_F(args, free)
{
	struct call call = {
		.name = "free",
		.cmd = DMADEMO_IOC_FREE,
		.good.free = { .size = sizeof(struct dmademo_free) },
		.errors = { E2BIG, ENOENT },
		.members = {
			MEMBER(dmademo_free, size, SIZES(dmademo_free)),
			MEMBER(dmademo_free, handle, HANDLES(self)),
		},
	};

	EXPECT_LT(50, try_all(_metadata, self->fd, &call));
	EXPECT_EQ(0, demo_fill(self->fd, self->b.handle, 0, 1, 1));
}

static void try_run(struct __test_metadata *_metadata,
		    FIXTURE_DATA(args) *self, const struct dmademo_run *good)
{
	const uint64_t user = (uintptr_t)self->user;
	struct call call = {
		.name = "run",
		.cmd = DMADEMO_IOC_RUN,
		.good.run = *good,
		.errors = { E2BIG, ENOENT, ERANGE, EFAULT, EPERM, EAGAIN,
			    ENOMEM, EIO },
		.members = {
			MEMBER(dmademo_run, size, SIZES(dmademo_run)),
			MEMBER(dmademo_run, op, 0, 1, 2, 3, 4, UINT32_MAX),
			MEMBER(dmademo_run, src, HANDLES(self)),
			MEMBER(dmademo_run, dst, HANDLES(self)),
			MEMBER(dmademo_run, src_offset, RANGE(page_size), user,
			       user + 2 * page_size - 1),
			MEMBER(dmademo_run, dst_offset, RANGE(page_size), user,
			       user + 2 * page_size - 1),
			MEMBER(dmademo_run, length, RANGE(page_size)),
			MEMBER(dmademo_run, value, 0, 1, 255, 256, UINT32_MAX),
			MEMBER(dmademo_run, flags, 0, 1, 2, 3, 4, 6, 7, 8, 10,
			       16, 20, 24, 31, 32, UINT32_MAX),
			MEMBER(dmademo_run, cookie, 0, 1, UINT64_MAX),
		},
	};

	EXPECT_LT(3000, try_all(_metadata, self->fd, &call));
	EXPECT_EQ(0, demo_fill(self->fd, self->b.handle, 0, 1, 1));
}

TEST_F(args, run)
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

TEST_F(args, run_on_user_memory)
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

TEST_F(args, wait)
{
	struct dmademo_run run = { .value = 1 };
	struct call call = {
		.name = "wait",
		.cmd = DMADEMO_IOC_WAIT,
		.good.wait = { .size = sizeof(struct dmademo_wait) },
		.errors = { E2BIG, ENOENT, ETIMEDOUT },
		.members = {
			MEMBER(dmademo_wait, size, SIZES(dmademo_wait)),
			MEMBER(dmademo_wait, flags, 0, 1, UINT32_MAX),
			MEMBER(dmademo_wait, cookie, 0, 1, 2, INT64_MAX,
			       UINT64_MAX),
			MEMBER(dmademo_wait, timeout_ns, 0, 1, 1000000,
			       INT64_MAX, 1ULL << 63, UINT64_MAX),
		},
	};

	ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_FILL, self->a.handle, 0, 0,
			      0, 1, DMADEMO_RUN_ASYNC, &run));
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
		.members = {
			MEMBER(dmademo_sync, size, SIZES(dmademo_sync)),
			MEMBER(dmademo_sync, flags, 0, 1, 2, 3, 4, UINT32_MAX),
			MEMBER(dmademo_sync, handle, HANDLES(self)),
			MEMBER(dmademo_sync, __reserved, 0, 1, UINT32_MAX),
			MEMBER(dmademo_sync, offset, RANGE(page_size)),
			MEMBER(dmademo_sync, length, RANGE(page_size)),
		},
	};

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
		.members = {
			MEMBER(dmademo_export, size, SIZES(dmademo_export)),
			MEMBER(dmademo_export, handle, HANDLES(self)),
			MEMBER(dmademo_export, fd_flags, 0, 1, 2, 3, O_CLOEXEC,
			       O_CLOEXEC | O_RDWR, O_NONBLOCK, UINT32_MAX),
			MEMBER(dmademo_export, fd, 0, 1, UINT32_MAX),
		},
	};

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
		.members = {
			MEMBER(dmademo_import, size, SIZES(dmademo_import)),
			MEMBER(dmademo_import, flags, 0, 1, UINT32_MAX),
			MEMBER(dmademo_import, fd, 0, 1, self->fd,
			       1 << 20, INT_MAX, UINT32_MAX),
			MEMBER(dmademo_import, handle, 0, UINT32_MAX),
			MEMBER(dmademo_import, bytes_held, 0, UINT64_MAX),
		},
	};

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
