#include "gateway/move.h"

enum err move_on(struct move *m, struct fetch *source, struct write *to)
{
    enum err e = ERR_OK;

    if (!to || m->whole || m->moving)
        return ERR_AGAIN;
    m->moving = true;
    while (e == ERR_OK && m->done < m->bytes) {
        struct iovec room;
        size_t got = 0;

        e = write_room(to, &room);
        if (e == ERR_OK)
            e = fetch_read(source, room.iov_base, room.iov_len, &got);
        if (e == ERR_OK) {
            s3_digest_add(&m->own, room.iov_base, got);
            s3_digest_add(&m->wanted, room.iov_base, got);
            m->done += got;
            write_filled(to, got);
        }
    }
    m->moving = false;
    m->whole = e == ERR_OK;
    return e;
}
