/* A file layer for SQLite that hands everything to the system's one, and fails on demand. */
#ifndef FAULT_VFS_H
#define FAULT_VFS_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

enum fault { FAULT_NONE, FAULT_FULL, FAULT_SHORT, FAULT_WRITE, FAULT_FSYNC, FAULT_FSYNC_DATABASE };

/* The fault strikes the call number `fault_after` of its kind (0: the next one) and all that follow, until it is
 * set to FAULT_NONE. */
static _Atomic enum fault fault;
static _Atomic int fault_after;
static _Atomic unsigned fault_hits, fault_writes, fault_fsyncs;

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this one */
    bool is_database;   /* not its log */
};

static inline sqlite3_file *real_file(sqlite3_file *f)
{
    return ((struct fault_file *)(void *)f)->real;
}

static inline bool fault_strikes(enum fault kind)
{
    if (fault != kind || atomic_fetch_sub(&fault_after, 1) > 0)
        return false;
    fault_hits++;
    return true;
}

static inline int fault_close(sqlite3_file *f)
{
    return real_file(f)->pMethods ? real_file(f)->pMethods->xClose(real_file(f)) : SQLITE_OK;
}

static inline int fault_read(sqlite3_file *f, void *at, int len, sqlite3_int64 offset)
{
    return real_file(f)->pMethods->xRead(real_file(f), at, len, offset);
}

static inline int fault_write(sqlite3_file *f, const void *at, int len, sqlite3_int64 offset)
{
    fault_writes++;
    if (fault_strikes(FAULT_FULL))
        return SQLITE_FULL;
    if (fault_strikes(FAULT_WRITE))
        return SQLITE_IOERR_WRITE;
    if (fault_strikes(FAULT_SHORT)) {
        real_file(f)->pMethods->xWrite(real_file(f), at, len / 2, offset);
        return SQLITE_FULL;
    }
    return real_file(f)->pMethods->xWrite(real_file(f), at, len, offset);
}

static inline int fault_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return real_file(f)->pMethods->xTruncate(real_file(f), size);
}

static inline int fault_sync(sqlite3_file *f, int flags)
{
    fault_fsyncs++;
    if (fault_strikes(FAULT_FSYNC))
        return SQLITE_IOERR_FSYNC;
    if (((struct fault_file *)(void *)f)->is_database && fault_strikes(FAULT_FSYNC_DATABASE))
        return SQLITE_IOERR_FSYNC;
    return real_file(f)->pMethods->xSync(real_file(f), flags);
}

static inline int fault_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_file(f)->pMethods->xFileSize(real_file(f), size);
}

static inline int fault_lock(sqlite3_file *f, int level)
{
    return real_file(f)->pMethods->xLock(real_file(f), level);
}

static inline int fault_unlock(sqlite3_file *f, int level)
{
    return real_file(f)->pMethods->xUnlock(real_file(f), level);
}

static inline int fault_check_lock(sqlite3_file *f, int *out)
{
    return real_file(f)->pMethods->xCheckReservedLock(real_file(f), out);
}

static inline int fault_control(sqlite3_file *f, int what, void *argument)
{
    return real_file(f)->pMethods->xFileControl(real_file(f), what, argument);
}

static inline int fault_sector(sqlite3_file *f)
{
    return real_file(f)->pMethods->xSectorSize(real_file(f));
}

static inline int fault_device(sqlite3_file *f)
{
    return real_file(f)->pMethods->xDeviceCharacteristics(real_file(f));
}

static inline int fault_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_file(f)->pMethods->xShmMap(real_file(f), page, size, extend, out);
}

static inline int fault_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_file(f)->pMethods->xShmLock(real_file(f), offset, n, flags);
}

static inline void fault_shm_barrier(sqlite3_file *f)
{
    real_file(f)->pMethods->xShmBarrier(real_file(f));
}

static inline int fault_shm_unmap(sqlite3_file *f, int remove)
{
    return real_file(f)->pMethods->xShmUnmap(real_file(f), remove);
}

static const sqlite3_io_methods fault_methods = {
    .iVersion = 2,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_check_lock,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector,
    .xDeviceCharacteristics = fault_device,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
};

static inline int fault_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
    sqlite3_vfs *real = v->pAppData;
    struct fault_file *file = (struct fault_file *)(void *)f;
    int code;

    file->real = (sqlite3_file *)(void *)(file + 1);
    file->is_database = flags & SQLITE_OPEN_MAIN_DB;
    memset(file->real, 0, (size_t)real->szOsFile);
    code = real->xOpen(real, name, file->real, flags, out);
    file->base.pMethods = file->real->pMethods ? &fault_methods : NULL;
    return code;
}

/* Registers it under the name "fault". */
static inline void fault_vfs_register(void)
{
    static sqlite3_vfs vfs;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);

    vfs = *real;
    vfs.zName = "fault";
    vfs.pAppData = real;
    vfs.szOsFile += (int)sizeof(struct fault_file);
    vfs.xOpen = fault_open;
    sqlite3_vfs_register(&vfs, 0);
}

#endif
