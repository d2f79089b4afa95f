/* Opening and closing the store: the file, the lock that is the lease, the two threads. */
#include "journal/sqlite_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ms(clockid_t which)
{
    struct timespec now;

    clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t real_mono_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

uint64_t store_mono_ms(const struct sqlite_store *s)
{
    return s->options.mono_ms ? s->options.mono_ms() : real_mono_ms();
}

uint64_t store_unix_ms(const struct sqlite_store *s)
{
    return s->options.unix_ms ? s->options.unix_ms() : clock_ms(CLOCK_REALTIME);
}

/* Threads and their queues. */

static void worker_init(struct worker *w)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    list_init(&w->requests);
}

/* Signals belong to the main thread. */
static enum err worker_start(struct worker *w, const char *name, void *(*main)(void *),
                             struct sqlite_store *s)
{
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&w->thread, NULL, main, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return ERR_NOMEM;
    pthread_setname_np(w->thread, name);
    w->started = true;
    return ERR_OK;
}

void worker_wake_locked(struct worker *w)
{
    if (w->sleeping)
        pthread_cond_signal(&w->wake);
    w->sleeping = false;
}

static void worker_stop(struct worker *w)
{
    if (w->started) {
        pthread_mutex_lock(&w->lock);
        w->stopping = true;
        worker_wake_locked(w);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
    }
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
}

/* The store. */

static enum err system_error(const struct sqlite_store *s, const char *path, const char *doing,
                             char why[static JOURNAL_WHY_BYTES])
{
    int number = errno;

    snprintf(why, JOURNAL_WHY_BYTES, "journal %s: %s %s: %s", s->path, doing, path, strerror(number));
    switch (number) {
    case EACCES:
    case EPERM:
    case EROFS: return ERR_DENIED;
    case ENOSPC:
    case EDQUOT: return ERR_FULL;
    case ENOMEM: return ERR_NOMEM;
    default: return ERR_IO;
    }
}

/* Made here, not by SQLite, so that only this user can read it. An existing file is never opened but by SQLite: closing
 * any descriptor of it would drop the locks that SQLite holds on it. */
static enum err make_file(struct sqlite_store *s, char why[static JOURNAL_WHY_BYTES])
{
    int fd;

    if (access(s->path, F_OK) == 0)
        return ERR_OK;
    fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return system_error(s, s->path, "cannot create", why);
    if (fd >= 0)
        close(fd);
    return ERR_OK;
}

/* Symbolic links are followed first: two names of one file must meet in one lock. */
static enum err resolve(struct sqlite_store *s, char why[static JOURNAL_WHY_BYTES])
{
    char *real = realpath(s->path, NULL);

    if (!real)
        return system_error(s, s->path, "cannot find", why);
    free(s->path);
    s->path = real;
    return ERR_OK;
}

/* The lock file is never removed: a second one under the same name would be a second lock. */
static enum err take_lock(struct sqlite_store *s, char why[static JOURNAL_WHY_BYTES])
{
    char path[PATH_MAX + 8];

    if (snprintf(path, sizeof(path), "%s.lock", s->path) >= (int)sizeof(path)) {
        snprintf(why, JOURNAL_WHY_BYTES, "journal: its path is too long");
        return ERR_INVALID;
    }
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return system_error(s, path, "cannot open", why);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return ERR_OK;
    if (errno != EWOULDBLOCK)
        return system_error(s, path, "cannot lock", why);
    snprintf(why, JOURNAL_WHY_BYTES, "journal %s: another gateway is running on it and holds its .lock file",
             s->path);
    return ERR_LOCKED;
}

static enum err open_all(struct sqlite_store *s, char why[static JOURNAL_WHY_BYTES])
{
    enum err err = make_file(s, why);

    if (!err)
        err = resolve(s, why);
    if (!err)
        err = take_lock(s, why);
    if (!err)
        err = schema_open(s, why);
    if (err)
        return err;
    err = worker_start(&s->writer, "journal-write", writer_main, s);
    if (!err)
        err = worker_start(&s->reader, "journal-read", reader_main, s);
    if (err)
        snprintf(why, JOURNAL_WHY_BYTES, "journal %s: cannot start a thread", s->path);
    return err;
}

enum err sqlite_store_open(struct sqlite_store **out, const char *path, const struct sqlite_options *options,
                           char why[static JOURNAL_WHY_BYTES])
{
    struct sqlite_store *s = calloc(1, sizeof(*s));
    enum err err;

    *out = NULL;
    snprintf(why, JOURNAL_WHY_BYTES, "out of memory");
    if (!s)
        return ERR_NOMEM;
    s->options = *options;
    s->lock_fd = -1;
    list_init(&s->lazy);
    worker_init(&s->writer);
    worker_init(&s->reader);
    sqlite_catalog_init(&s->catalog);
    s->path = strdup(path);
    err = s->path ? filter_init(&s->filter) : ERR_NOMEM;
    if (!err)
        err = open_all(s, why);
    if (err) {
        sqlite_store_close(s);
        return err;
    }
    *out = s;
    return ERR_OK;
}

/* After a failed fsync nothing is written back: the next start looks at what the disk really holds. */
void sqlite_store_close(struct sqlite_store *s)
{
    if (!s)
        return;
    worker_stop(&s->reader);
    worker_stop(&s->writer);
    database_close(&s->read);
    if (s->failed)
        sqlite3_db_config(s->write.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    database_close(&s->write);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    sqlite_catalog_fini(&s->catalog);
    filter_fini(&s->filter);
    free(s->path);
    free(s);
}
