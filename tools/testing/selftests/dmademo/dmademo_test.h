/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of /dev/dmademo0 share.
 */
#ifndef DMADEMO_TEST_H
#define DMADEMO_TEST_H

#include <grp.h>
#include <linux/dma-buf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "dmademo_user.h"

/*
 * On an emulated CPU, with a kernel that looks for mistakes, a test may take a
 * minute; this is for one that hangs.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 600

/* The device to test. */
#define DEVICE (getenv("DMADEMO_DEVICE") ?: "/dev/dmademo0")

/* Another one. */
#define DEVICE2 (getenv("DMADEMO_DEVICE2") ?: "/dev/dmademo1")

static size_t page_size;

/* Maps a whole buffer; NULL with errno set. */
static inline unsigned char *map(int fd, const struct dmademo_alloc *alloc)
{
	void *map = demo_map(fd, alloc, 0, alloc->bytes);

	return map == MAP_FAILED ? NULL : map;
}

/* Flags of a buffer that can be exported, if any can. */
static inline uint32_t export_flags(const struct dmademo_info *info)
{
	return info->flags & DMADEMO_INFO_COHERENT ? 0 : DMADEMO_ALLOC_CACHED;
}

/* Of CONFIG_DMADEMO_BENCH, without the custom DMA ops: it has no dma-bufs, for one thing. */
static inline int is_direct(int fd, const struct dmademo_info *info)
{
	struct dmademo_alloc alloc;
	int dmabuf = -EOPNOTSUPP;

	if (!demo_alloc_flags(fd, 1, export_flags(info), &alloc)) {
		dmabuf = demo_export(fd, alloc.handle);
		close(dmabuf);
		demo_free(fd, alloc.handle);
	}
	return dmabuf == -EOPNOTSUPP;
}

/* 0 or a negative errno. */
static inline int sync_dmabuf(int fd, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) ? -errno : 0;
}

static inline int is_filled(const unsigned char *p, unsigned char value,
			    size_t length)
{
	while (length--)
		if (*p++ != value)
			return 0;
	return 1;
}

/* The first word of each page is its number. */
static inline void number_pages(unsigned char *p, size_t first, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		*(size_t *)(p + i * page_size) = first + i;
}

static inline int are_numbered(unsigned char *p, size_t first, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		if (__atomic_load_n((size_t *)(p + i * page_size),
				    __ATOMIC_RELAXED) != first + i)
			return 0;
	return 1;
}

/* The signal that an access is answered with, 0 if it works. */
static inline int access_signal(unsigned char *p, int write)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (write)
			__atomic_fetch_or(p, 0, __ATOMIC_RELAXED);
		else
			__atomic_load_n(p, __ATOMIC_RELAXED);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

#define read_signal(p) access_signal(p, 0)
#define write_signal(p) access_signal(p, 1)

/* The same without a process, once catch_signals() was called. */
static __thread sigjmp_buf *landing;

static inline void on_signal(int sig)
{
	if (landing)
		siglongjmp(*landing, sig);
	signal(sig, SIG_DFL);
	raise(sig);
}

static inline void catch_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

static inline int copy_signal(void *to, const void *from, size_t length)
{
	sigjmp_buf here;
	int sig = sigsetjmp(here, 0);

	if (!sig) {
		__atomic_store_n(&landing, &here, __ATOMIC_SEQ_CST);
		memcpy(to, from, length);
	}
	__atomic_store_n(&landing, NULL, __ATOMIC_SEQ_CST);
	return sig;
}

/* 0 or a negative errno. */
static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret = 0;

	if (fd < 0)
		return -errno;
	errno = EIO; /* if it takes a part only */
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		ret = -errno;
	close(fd);
	return ret;
}

/* Takes the device long enough for something to happen meanwhile, */
#define LONG ((size_t)32 << 20)
/* and this is how often to try, as something may come too late all the same. */
#define ATTEMPTS 50

/* Whether a process is there, and has not ended. */
static inline int is_alive(pid_t pid)
{
	siginfo_t info = {};

	return !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       !info.si_pid;
}

/* What a process exits with, or minus the signal that ends it. */
static inline int end_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/*
 * A process that has the device fill a buffer, which is mapped at @p, and exits with
 * the errno of that.  Returns when the device is at work.
 */
static inline pid_t start_fill(int fd, const struct dmademo_alloc *alloc,
			       unsigned char *p, unsigned char value)
{
	pid_t pid;

	p[0] = ~value;
	p[alloc->bytes - 1] = ~value;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(-demo_fill(fd, alloc->handle, 0, alloc->bytes, value));
	}
	while (pid > 0 && __atomic_load_n(p, __ATOMIC_RELAXED) != value &&
	       is_alive(pid))
		;
	return pid;
}

/* What start_fill() started is not done. */
static inline int is_under_way(const unsigned char *p,
			       const struct dmademo_alloc *alloc,
			       unsigned char value)
{
	return __atomic_load_n(p + alloc->bytes - 1, __ATOMIC_RELAXED) != value;
}

/* The name of the platform device that DEVICE is, and its driver. */
#define NAME (getenv("DMADEMO_NAME") ?: "dmademo.0")
#define DRIVER "/sys/bus/platform/drivers/dmademo"

static inline int is_bound(void)
{
	char path[256];

	snprintf(path, sizeof(path), DRIVER "/%s", NAME);
	return !access(path, F_OK);
}

/* 0 or a negative errno. */
static inline int unbind_driver(void)
{
	return write_file(DRIVER "/unbind", NAME);
}

/* And waits for the device node. */
static inline int bind_driver(void)
{
	int ret = write_file(DRIVER "/bind", NAME), i;

	for (i = 0; i < 10000 && !ret; i++) {
		if (!access(DEVICE, R_OK))
			return 0;
		usleep(1000);
	}
	return ret ?: -ETIMEDOUT;
}

/* Buffers in the device's list, -1 if it cannot be read. */
static inline int listed_buffers(void)
{
	char path[128];
	int nr = -1, c;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/debug/dma_custom/platform:%s/buffers", NAME);
	f = fopen(path, "r");
	while (f && (c = getc(f)) != EOF)
		nr += c == '\n';
	if (f)
		fclose(f);
	return nr;
}

#define NOBODY 65534

/* Who is not root is nobody already.  0 or -1. */
static inline int become_nobody(void)
{
	if (!geteuid() && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
			   setresuid(NOBODY, NOBODY, NOBODY)))
		return -1;
	/* So that it can be traced still. */
	return prctl(PR_SET_DUMPABLE, 1);
}

#define CGROUP "dmademo-test/"

/* A cgroup, in the working directory from here on; what is mounted for it goes with that. */
static inline int make_cgroup(void)
{
	static const char top[] = "/sys/fs/cgroup";
	const int mounted = !mount("none", top, "cgroup2", 0, NULL);
	int ret = chdir(top);

	if (!ret && mkdir(CGROUP, 0755) && errno != EEXIST)
		ret = -1;
	if (mounted)
		umount2(top, MNT_DETACH);
	return ret;
}

/* Processes that have ended may take a moment to go. */
static inline void remove_cgroup(void)
{
	while (rmdir(CGROUP) && errno == EBUSY)
		usleep(1000);
}

#endif /* DMADEMO_TEST_H */
