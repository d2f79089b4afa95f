#include "sim_check.h"

#include <assert.h>

void check_init(struct check *c, struct sim *s, struct disk *d, struct sim_store *stores, uint32_t replicas)
{
    memset(c, 0, sizeof(*c));
    c->sim = s;
    c->disk = d;
    c->stores = stores;
    c->replicas = replicas;
}

static struct written *add(struct check *c, uint32_t key, const struct content *content)
{
    struct written *w = &c->writes[c->write_count];

    assert(c->write_count < CHECK_WRITES_MAX);
    c->write_count++;
    *w = (struct written){.key = key, .content = content, .begin = ++c->count, .end = NEVER};
    return w;
}

void check_initial(struct check *c, uint32_t key, const struct content *content)
{
    struct written *w = add(c, key, content);

    w->acked = w->over = true;
    w->end = ++c->count;
}

static const char *name(const struct content *content)
{
    return content ? content->header : "nothing";
}

size_t check_begin(struct check *c, uint32_t key, const struct content *content)
{
    struct written *w = add(c, key, content);

    w->unverified = content != NULL;
    for (uint32_t slot = 0; slot < c->replicas && content; slot++) /* an upload that is completed again */
        if (c->stores[slot].objects[key].exists && c->stores[slot].objects[key].content == content)
            w->landed |= 1u << slot;
    c->touched[key] = true;
    return (size_t)(w - c->writes);
}

void check_verified(struct check *c, size_t write)
{
    c->writes[write].unverified = false;
}

void check_acked(struct check *c, size_t write, uint32_t stored, uint32_t need)
{
    struct written *w = &c->writes[write];

    w->acked = w->over = true;
    w->end = ++c->count;
    c->acked++;
    if (w->content && (w->landed & stored) != stored)
        sim_violate(c->sim, "P1: the write of %s to k%u is called stored on %x and was on %x only",
                    name(w->content), w->key, stored, w->landed);
    if ((uint32_t)__builtin_popcount(stored) < need)
        sim_violate(c->sim, "P1: the write of %s to k%u is acknowledged with %x stored, %u are needed",
                    name(w->content), w->key, stored, need);
    if (w->unverified)
        sim_violate(c->sim, "P6: the write of %s to k%u is acknowledged before its body was verified",
                    name(w->content), w->key);
}

void check_unknown(struct check *c, size_t write, bool refused)
{
    c->writes[write].over = true;
    *(refused ? &c->refused : &c->unknown) += 1;
}

void check_acked_earlier(struct check *c, size_t write)
{
    struct written *w = &c->writes[write];

    c->acked++;
    if (w->end != NEVER) /* the key has been quiet since: what it showed then is known */
        return;
    w->acked = w->over = true;
    w->end = ++c->count;
}

uint64_t check_now(struct check *c)
{
    return ++c->count;
}

/* Another write of the key was under way at the same time, as far as anybody knows. */
static bool overlapped(const struct check *c, const struct written *w)
{
    for (size_t i = 0; i < c->write_count; i++) {
        const struct written *o = &c->writes[i];

        if (o != w && o->key == w->key && o->begin < w->end && o->end > w->begin)
            return true;
    }
    return false;
}

/* See the header: acknowledged alone, and before the read. */
static bool damage_is_known(const struct check *c, const struct written *w, uint64_t began)
{
    return w->acked && !w->damaged && w->end <= began && !overlapped(c, w);
}

static bool allowed(const struct check *c, uint32_t key, const struct content *seen, bool damaged,
                    uint64_t began)
{
    uint64_t last_begin = 0; /* of a write acknowledged before the read began */

    for (size_t i = c->quiet_from[key]; i < c->write_count; i++) {
        const struct written *w = &c->writes[i];

        if (w->key == key && w->acked && w->end <= began && w->begin > last_begin)
            last_begin = w->begin;
    }
    for (size_t i = c->quiet_from[key]; i < c->write_count; i++) {
        const struct written *w = &c->writes[i];

        if (w->key == key && w->content == seen && w->end >= last_begin &&
            !(damaged && damage_is_known(c, w, began)))
            return true;
    }
    return false;
}

void check_read(struct check *c, uint32_t key, const struct content *seen, bool damaged, uint64_t began)
{
    size_t quiet_from = c->quiet_from[key];

    c->reads++;
    c->count++;
    c->quiet_from[key] = 0; /* the key may have got quiet while it was read */
    if (!allowed(c, key, seen, damaged, began))
        sim_violate(c->sim, "P4: a read of k%u saw %s%s, older than a write acknowledged before it began",
                    key, name(seen), damaged ? ", damaged" : "");
    c->quiet_from[key] = quiet_from;
}

/* Some contents have the same ETag: one of them has to be allowed. */
static bool may_list(struct check *c, uint32_t key, const char *etag, uint64_t began)
{
    size_t quiet_from = c->quiet_from[key];
    bool may = false;

    c->quiet_from[key] = 0; /* as in check_read */
    if (!etag)
        may = allowed(c, key, NULL, false, began);
    for (size_t i = 0; etag && i < c->write_count && !may; i++) {
        const struct content *content = c->writes[i].content;

        if (c->writes[i].key != key || !content)
            continue;
        if (strcmp(etag, content->etag) == 0)
            may = allowed(c, key, content, false, began);
        else if (strcmp(etag, content->damaged_etag) == 0)
            may = allowed(c, key, content, true, began);
    }
    c->quiet_from[key] = quiet_from;
    return may;
}

void check_listed(struct check *c, uint32_t key, const char *etag, uint64_t began)
{
    c->lists += key == 0;
    c->count++;
    if (!may_list(c, key, etag, began))
        sim_violate(c->sim, "P4: a list shows k%u as %s, older than a write acknowledged before it began",
                    key, etag ? etag : "nothing");
}

static bool may_exist(struct check *c, uint32_t key, uint64_t began)
{
    for (size_t i = 0; i < c->write_count; i++)
        if (c->writes[i].key == key && c->writes[i].content &&
            may_list(c, key, c->writes[i].content->etag, began))
            return true;
    return false;
}

void check_grouped(struct check *c, bool seen, uint64_t began)
{
    bool any = false, none = true;

    c->lists++;
    c->count++;
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
        any |= may_exist(c, key, began);
        none &= may_list(c, key, NULL, began);
    }
    if (seen ? !any : !none)
        sim_violate(c->sim, "P4: a list shows the group of all keys as %s", seen ? "there" : "empty");
}

void check_opened(struct check *c, const struct sim_store *st, uint32_t key, const struct sim_object *o,
                  uint32_t boot)
{
    const struct disk_claim *claim = &c->disk->claims[key];

    for (size_t i = 0; i < c->disk->count; i++) {
        const struct disk_row *r = &c->disk->rows[i];

        if (r->key != key || r->boot != boot || r->row.phase > ROW_OUTCOME)
            continue;
        if (!o->exists    ? r->row.kind == ROW_DELETE
            : o->uploaded ? r->row.kind == ROW_PUT /* a Complete that comes again has a row of its own */
                          : stamp_eq(&r->row.stamp, &o->stamp))
            return;
    }
    if (!claim->taken || !(claim->claim.targets & 1u << st->slot) ||
        c->sim->now_ms - claim->taken_ms >= claim->claim.lease_ms)
        sim_violate(c->sim, "P2: %s k%u: a request goes past its barrier with neither intent nor claim",
                    st->name, key);
}

void check_landed(struct check *c, const struct sim_store *st, uint32_t key)
{
    const struct sim_object *o = &st->objects[key];
    bool known = !o->exists;

    for (size_t i = 0; o->exists && i < c->write_count; i++) {
        struct written *w = &c->writes[i];

        if (w->key != key || w->content != o->content)
            continue;
        known = true;
        w->landed |= 1u << st->slot;
        if (w->unverified)
            sim_violate(c->sim, "P6: %s k%u shows %s, whose body never verified", st->name, key,
                        name(w->content));
    }
    if (!known)
        sim_violate(c->sim, "P6: %s k%u shows %s, which nobody has written or completed", st->name, key,
                    name(o->content));
    c->touched[key] = true;
}

static const struct content *shown(const struct check *c, uint32_t slot, uint32_t key)
{
    const struct sim_object *o = &c->stores[slot].objects[key];

    return o->exists ? o->content : NULL;
}

static bool shown_allowed(const struct check *c, uint32_t slot, uint32_t key)
{
    const struct sim_object *o = &c->stores[slot].objects[key];

    return allowed(c, key, shown(c, slot, key), o->exists && o->damaged, c->count);
}

static bool agree(const struct check *c, uint32_t key)
{
    for (uint32_t slot = 1; slot < c->replicas; slot++)
        if (!sim_object_same(&c->stores[0].objects[key], &c->stores[slot].objects[key]))
            return false;
    return true;
}

static bool has_row(const struct check *c, uint32_t key)
{
    for (size_t i = 0; i < c->disk->count; i++)
        if (c->disk->rows[i].key == key)
            return true;
    return false;
}

static void get_quiet(struct check *c, uint32_t key)
{
    struct written *w;
    size_t first = c->write_count;

    if (!c->touched[key])
        return;
    c->touched[key] = false;
    c->quiets++;
    c->count++;
    for (size_t i = c->quiet_from[key]; i < c->write_count; i++) {
        if (c->writes[i].key != key)
            continue;
        if (c->writes[i].over && c->writes[i].end == NEVER)
            c->writes[i].end = c->count;
        if (c->writes[i].end == NEVER && i < first)
            first = i;
    }
    w = add(c, key, shown(c, 0, key));
    w->acked = w->over = true;
    w->end = c->count;
    w->damaged = c->stores[0].objects[key].exists && c->stores[0].objects[key].damaged;
    c->quiet_from[key] = first;
}

static void check_strict(struct check *c, uint32_t key, uint32_t boot, uint64_t boot_ms)
{
    const struct row *newest;
    struct key_view v;
    uint32_t may;

    key_view_init(&v);
    disk_view(c->disk, key, boot, boot_ms, &v);
    may = (1u << c->replicas) - 1;
    newest = key_view_newest_stored(&v, may);
    if (newest)
        may &= newest->stored;
    for (uint32_t slot = 0; slot < c->replicas; slot++)
        if (may & 1u << slot && !shown_allowed(c, slot, key))
            sim_violate(c->sim,
                        "P4: %s k%u shows %s and may be read (set %x), though a newer write was acknowledged",
                        c->stores[slot].name, key, name(shown(c, slot, key)), may);
    key_view_fini(&v);
}

void check_step(struct check *c, uint32_t boot, uint64_t boot_ms, const bool idle[static SIM_KEYS_MAX])
{
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
        bool row = has_row(c, key), quiet = idle[key] && !row;

        if (!row && !agree(c, key))
            sim_violate(c->sim, "P2: replicas differ on k%u and the journal has no row of it", key);
        for (uint32_t slot = 0; slot < c->replicas; slot++)
            quiet &= !sim_store_expects(&c->stores[slot], key);
        check_strict(c, key, boot, boot_ms);
        if (quiet && !c->sim->violation[0])
            get_quiet(c, key);
    }
}

static bool lost_manifest(const struct check *c, uint32_t key)
{
    const struct sim_object *o = &c->stores[0].objects[key];

    return o->exists && o->stamped && disk_manifest_lost(&c->disk->uploads, key, &o->stamp);
}

void check_converged(struct check *c)
{
    if (c->disk->count)
        sim_violate(c->sim, "P3: %zu rows are left in the journal, the first of k%u", c->disk->count,
                    c->disk->rows[0].key);
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
        if (!agree(c, key))
            sim_violate(c->sim, "P3: replicas differ on k%u in the end", key);
        if (!shown_allowed(c, 0, key))
            sim_violate(c->sim, "P3: k%u ends as %s, older than an acknowledged write", key,
                        name(shown(c, 0, key)));
        if (lost_manifest(c, key))
            sim_violate(c->sim, "P3: the manifest of %s, as which k%u ends, was dropped",
                        name(shown(c, 0, key)), key);
    }
}
