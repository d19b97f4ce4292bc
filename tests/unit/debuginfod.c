/* SPDX-License-Identifier: MIT */
/* Files from servers: a real one on this host, and some that do not serve. */
#include "tests/unit/symbolize_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "symbolize/debug_file.h"
#include "symbolize/debuginfod.h"

TestSuite(debuginfod, .init = fixture_make, .fini = fixture_remove, .timeout = 170);

/* A socket that listens on a port of its own; whoever connects waits. */
static int listen_anywhere(unsigned short *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&at, n), 0);
	cr_assert_eq(listen(fd, 8), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

/* Asks the server at `port` from now on; nothing is remembered from before. */
static void use_server(unsigned short port)
{
	char text[128];

	snprintf(text, sizeof(text), "http://127.0.0.1:%d", port);
	setenv("DEBUGINFOD_URLS", text, 1);
	setenv("no_proxy", "127.0.0.1", 1);
	setenv("DEBUGINFOD_RETRY_LIMIT", "1", 1);
	snprintf(text, sizeof(text), "%s/cache", fixture_dir);
	setenv("DEBUGINFOD_CACHE_PATH", text, 1);
	run("rm -rf %s/cache", fixture_dir);
}

static struct mp_debuginfod *open_client(const struct mp_debuginfod_options *options)
{
	struct mp_debuginfod *d = NULL;
	struct mp_err err;
	int rc = mp_debuginfod_new(options, &d, &err);

	if (rc == -ENOSYS)
		cr_skip_test("libdebuginfod is not installed");
	cr_assert_eq(rc, 0, "%s", err.text);
	return d;
}

Test(debuginfod, nobody_to_ask)
{
	struct mp_debuginfod *d = NULL;
	struct mp_err err;

	unsetenv("DEBUGINFOD_URLS");
	cr_expect_eq(mp_debuginfod_new(NULL, &d, &err), -ENOENT);
	cr_expect(strstr(err.text, "DEBUGINFOD_URLS"));
	setenv("DEBUGINFOD_URLS", "", 1);
	cr_expect_eq(mp_debuginfod_new(NULL, &d, &err), -ENOENT);
	mp_debuginfod_free(NULL);
}

static bool stop_at_third(void *ctx, long done, long total)
{
	(void)done;
	(void)total;
	return ++*(int *)ctx < 3;
}

/* It could take as long as DEBUGINFOD_TIMEOUT says; the caller has enough of it before. */
Test(debuginfod, server_that_does_not_answer)
{
	unsigned short port;
	int calls = 0, fd = listen_anywhere(&port);
	struct mp_debuginfod_options options = {stop_at_third, &calls};

	use_server(port);
	struct mp_debuginfod *d = open_client(&options);
	cr_expect_eq(mp_debuginfod_find(d, MP_DEBUGINFOD_DEBUG, "abcdef"), -ECONNABORTED);
	cr_expect_eq(calls, 3);
	cr_expect_eq(mp_debuginfod_find(d, MP_DEBUGINFOD_EXECUTABLE, "abcdef"), -ECONNABORTED);
	cr_expect_eq(calls, 3);
	mp_debuginfod_free(d);
	close(fd);
}

Test(debuginfod, timeout_of_the_environment)
{
	unsigned short port;
	int fd = listen_anywhere(&port);

	use_server(port);
	setenv("DEBUGINFOD_TIMEOUT", "1", 1);
	struct mp_debuginfod *d = open_client(NULL);
	int rc = mp_debuginfod_find(d, MP_DEBUGINFOD_DEBUG, "abcdef");
	cr_expect(rc < 0 && rc != -ENOENT, "%d", rc);
	mp_debuginfod_free(d);
	close(fd);
}

Test(debuginfod, server_that_is_not_there)
{
	unsigned short port;
	char id[] = "abcdef0";

	close(listen_anywhere(&port));
	use_server(port);
	struct mp_debuginfod *d = open_client(NULL);
	for (int i = 0; i < 3; i++) {
		id[6] = (char)('0' + i);
		int rc = mp_debuginfod_find(d, MP_DEBUGINFOD_DEBUG, id);
		cr_expect(rc < 0 && rc != -ECONNABORTED, "%d", rc);
	}
	cr_expect_eq(mp_debuginfod_find(d, MP_DEBUGINFOD_DEBUG, "abcd"), -ECONNABORTED);
	mp_debuginfod_free(d);
}

/* ---- A real server ---- */

static pid_t start_server(unsigned short *port)
{
	char database[128], folder[128], option[32];

	close(listen_anywhere(port));
	snprintf(database, sizeof(database), "%s/database", fixture_dir);
	snprintf(folder, sizeof(folder), "%s/served", fixture_dir);
	snprintf(option, sizeof(option), "%d", *port);
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(null, 1);
		dup2(null, 2);
		unsetenv("DEBUGINFOD_URLS");
		execlp("debuginfod", "debuginfod", "-F", "-p", option, "-d", database, folder, (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* Asks until the server has read its folder. */
static struct mp_debuginfod *wait_until_served(pid_t server, unsigned short port, const char *build_id)
{
	for (;;) {
		use_server(port);
		struct mp_debuginfod *d = open_client(NULL);
		int fd = mp_debuginfod_find(d, MP_DEBUGINFOD_DEBUG, build_id);

		if (fd >= 0) {
			close(fd);
			return d;
		}
		mp_debuginfod_free(d);
		cr_assert_eq(waitpid(server, NULL, WNOHANG), 0, "the server has ended");
		usleep(50000);
	}
}

Test(debuginfod, real_server)
{
	char id[256];
	unsigned short port;
	struct mp_debug_file found;
	struct mp_debug_files_options options = {
	    .dirs = (const char *[]){"/nonexistent"}, .ndirs = 1, .root_fd = -1};

	if (system("command -v debuginfod >/dev/null") != 0)
		cr_skip_test("debuginfod is not installed");
	run("cd %s && mkdir served && cc -g -O1 -fPIC -shared -Wl,--build-id=sha1 -o served/full.so lib.c"
	    " && objcopy --only-keep-debug served/full.so served/full.debug && strip -o bare.so "
	    "served/full.so"
	    " && mv served/full.so served/app.so && strip served/app.so",
	    fixture_dir);
	struct mp_elf *e = fixture_open("bare.so");
	snprintf(id, sizeof(id), "%s", mp_elf_build_id(e));
	pid_t server = start_server(&port);
	struct mp_debuginfod *d = wait_until_served(server, port, id);

	struct mp_debug_files *f = mp_debug_files_new(&options);
	cr_expect_eq(mp_debug_files_find(f, e, "/gone/bare.so", &found), -ENOENT, "not before it is said so");
	mp_debug_files_set_debuginfod(f, d);
	cr_assert_eq(mp_debug_files_find(f, e, "/gone/bare.so", &found), 0);
	cr_expect_eq(find_symbol(found.elf, "hidden").found, 1);
	mp_debug_file_close(&found);
	cr_assert_eq(mp_debug_files_find_executable(f, "/gone/bare.so", id, &found), 0);
	cr_expect_not(mp_elf_has_symtab(found.elf));
	mp_debug_file_close(&found);
	id[0] = id[0] == '0' ? '1' : '0';
	cr_expect_eq(mp_debug_files_find_executable(f, "/gone/bare.so", id, &found), -ENOENT);
	cr_expect_eq(mp_debuginfod_find(d, MP_DEBUGINFOD_DEBUG, id), -ENOENT);
	mp_debug_files_free(f);
	mp_debuginfod_free(d);
	mp_elf_close(e);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}
