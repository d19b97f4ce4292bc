/* SPDX-License-Identifier: MIT */
#include "sampler/phases/mark_socket.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define NS_PER_S     1000000000LL
#define WAIT_S       2
#define MARKS_A_READ 32

/* A datagram is one letter, the name and the detail, each text with its NUL. The answer is a text: empty, the
 * mark was taken. */
#define KIND_MARK     'm'
#define KIND_PHASE    'p'
#define MESSAGE_BYTES (1 + MP_MARK_NAME_BYTES + MP_MARK_DETAIL_BYTES)

struct mp_mark_socket {
	int fd;
	int64_t second_ns; /* since when they are counted */
	unsigned int taken;
};

/* ---- What both ends know ---- */

static socklen_t address_of(pid_t pid, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	int n = snprintf(out->sun_path + 1, sizeof(out->sun_path) - 1, "mpsample/%d", pid);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

int mp_mark_set(struct mp_mark *m, bool is_phase, const char *name, const char *detail, struct mp_err *err)
{
	if (!*name)
		return mp_err_set(err, EINVAL, "a mark has a name");
	if (strlen(name) >= sizeof(m->name))
		return mp_err_set(err, EINVAL, "the name of a mark is %zu bytes long at most: '%.80s'",
		    sizeof(m->name) - 1, name);
	if (strlen(detail) >= sizeof(m->detail))
		return mp_err_set(
		    err, EINVAL, "the detail of a mark is %zu bytes long at most", sizeof(m->detail) - 1);
	if (!is_printable(name) || !is_printable(detail))
		return mp_err_set(err, EINVAL, "name and detail of a mark are without control characters");
	m->is_phase = is_phase;
	snprintf(m->name, sizeof(m->name), "%s", name);
	snprintf(m->detail, sizeof(m->detail), "%s", detail);
	return 0;
}

/* ---- The sender ---- */

static int exchange(int fd, pid_t pid, const struct mp_mark *m, struct mp_err *err)
{
	char message[MESSAGE_BYTES], answer[sizeof(err->text)];
	size_t name = strlen(m->name) + 1, detail = strlen(m->detail) + 1;

	message[0] = m->is_phase ? KIND_PHASE : KIND_MARK;
	memcpy(message + 1, m->name, name);
	memcpy(message + 1 + name, m->detail, detail);
	ssize_t n = send(fd, message, 1 + name + detail, MSG_NOSIGNAL);
	if (n >= 0)
		n = recv(fd, answer, sizeof(answer) - 1, 0);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return mp_err_set(err, ETIMEDOUT,
		    "the recorder of process %d did not answer within %d s: whether the mark was taken is "
		    "not "
		    "known",
		    pid, WAIT_S);
	if (n < 0)
		return mp_err_set(
		    err, errno, "the recorder of process %d went away: %s", pid, strerror(errno));
	answer[n] = 0;
	return *answer ? mp_err_set(err, EPERM, "the mark was not taken: %s", answer) : 0;
}

int mp_mark_send(pid_t pid, const struct mp_mark *m, struct mp_err *err)
{
	const struct sockaddr_un any = {.sun_family = AF_UNIX}; /* the kernel gives a name, for the answer */
	const struct timeval wait = {.tv_sec = WAIT_S};
	struct sockaddr_un to;
	socklen_t n = address_of(pid, &to);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return mp_err_set(err, errno, "cannot open a socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	int ret = bind(fd, (const struct sockaddr *)&any, sizeof(sa_family_t))
		      ? mp_err_set(err, errno, "cannot bind a socket: %s", strerror(errno))
		  /* Connected, nobody else can answer. */
		  : connect(fd, (const struct sockaddr *)&to, n)
		      ? mp_err_set(err, errno,
			    "nobody records process %d here: start mpsample record -p %d first", pid, pid)
		      : exchange(fd, pid, m, err);
	close(fd);
	return ret;
}

/* ---- The recorder ---- */

int mp_mark_socket_open(pid_t pid, struct mp_mark_socket **out, struct mp_err *err)
{
	struct mp_mark_socket *s = calloc(1, sizeof(*s));
	struct sockaddr_un at;
	socklen_t n = address_of(pid, &at);
	const int on = 1;

	if (!s)
		return mp_err_set(err, ENOMEM, "out of memory");
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd >= 0 && !setsockopt(s->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) &&
	    !bind(s->fd, (const struct sockaddr *)&at, n)) {
		*out = s;
		return 0;
	}
	int ret = errno == EADDRINUSE ? mp_err_set(err, EADDRINUSE,
					    "process %d is being recorded already: it pays for both "
					    "recorders, by probes each is in the "
					    "other's durations, and mpsample mark reaches the other one",
					    pid)
				      : mp_err_set(err, errno, "cannot listen for mpsample mark %d: %s", pid,
					    strerror(errno));
	mp_mark_socket_close(s);
	return ret;
}

void mp_mark_socket_close(struct mp_mark_socket *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

int mp_mark_socket_fd(const struct mp_mark_socket *s)
{
	return s->fd;
}

struct received {
	struct sockaddr_un from;
	socklen_t from_bytes;
	char bytes[MESSAGE_BYTES];
	size_t n;
	bool is_whole, has_sender;
	uid_t uid;
};

/* False: nothing waits. */
static bool receive(int fd, struct received *r)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec to = {r->bytes, MESSAGE_BYTES};
	struct msghdr m = {.msg_name = &r->from,
	    .msg_namelen = sizeof(r->from),
	    .msg_iov = &to,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	/* Files that come along are closed by the kernel: there is no room for them. */
	ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return false;
	r->from_bytes = m.msg_namelen;
	r->n = (size_t)n;
	r->is_whole = !(m.msg_flags & MSG_TRUNC);
	r->has_sender = false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct ucred sender;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
		    c->cmsg_len != CMSG_LEN(sizeof(sender)))
			continue;
		memcpy(&sender, CMSG_DATA(c), sizeof(sender));
		r->has_sender = true;
		r->uid = sender.uid;
	}
	return true;
}

static bool is_allowed(const struct received *r)
{
	return r->has_sender && (r->uid == 0 || r->uid == geteuid());
}

static int parse(const struct received *r, struct mp_mark *m, struct mp_err *err)
{
	const char *name = r->bytes + 1, *end = r->bytes + r->n;
	const char *detail = r->n > 1 ? memchr(name, 0, r->n - 1) : NULL;

	detail = detail ? detail + 1 : NULL;
	if (!r->is_whole || !detail || detail >= end ||
	    memchr(detail, 0, (size_t)(end - detail)) != end - 1 ||
	    (r->bytes[0] != KIND_MARK && r->bytes[0] != KIND_PHASE))
		return mp_err_set(err, EINVAL, "it makes no sense to this version");
	return mp_mark_set(m, r->bytes[0] == KIND_PHASE, name, detail, err);
}

static int limit_rate(struct mp_mark_socket *s, int64_t now_ns, struct mp_err *err)
{
	if (now_ns - s->second_ns >= NS_PER_S) {
		s->second_ns = now_ns;
		s->taken = 0;
	}
	if (s->taken == MP_MARKS_PER_S)
		return mp_err_set(err, EAGAIN, "more than %d marks within a second", MP_MARKS_PER_S);
	s->taken++;
	return 0;
}

void mp_mark_socket_read(struct mp_mark_socket *s, int64_t now_ns,
    int (*take)(void *ctx, const struct mp_mark *m, struct mp_err *err), void *ctx)
{
	struct received r;
	struct mp_mark m;

	for (int i = 0; i < MARKS_A_READ && receive(s->fd, &r); i++) {
		struct mp_err why = {0};
		int ret = is_allowed(&r) ? parse(&r, &m, &why)
					 : mp_err_set(&why, EPERM, "only root and the recorder's user may");
		if (!ret)
			ret = limit_rate(s, now_ns, &why);
		if (!ret)
			ret = take(ctx, &m, &why);
		/* Whoever has gone, or does not read, gets no answer. */
		if (r.from_bytes > sizeof(sa_family_t))
			sendto(s->fd, why.text, ret ? strlen(why.text) : 0, MSG_NOSIGNAL | MSG_DONTWAIT,
			    (const struct sockaddr *)&r.from, r.from_bytes);
	}
}
