/* The repair of one key, step by step (docs/protocol.md, repair): B misses what A and C have, and one step after the
 * other goes wrong. Journal and replicas answer by hand (test/unit/fanout/stage.h). */
#include "fanout/stage.h"

#include "repair/job.h"

#define BODY           "the content"
#define CRC32_OF_BODY  "a2edcw==" /* as zlib and sha256sum know them */
#define SHA256_OF_BODY "blaeBctvhghXLHnWOzZdwxYXv4TXOT0sudLx/+Dt+Vs="
enum { BODY_BYTES = sizeof(BODY) - 1, CLAIM_ID = 77, SOURCE = 0, TARGET = 1 };

/* When the target answers. */
enum { AT_THE_CLAIM, AT_THE_SECOND_ROWS, AT_THE_SECOND_HEADS, PAST_THE_BARRIER, TIMES };

struct bench {
    struct stage s;
    struct repair_counters counters;
    struct job *job;
    unsigned jobs_done;
    struct replica_call heads[REPLICAS]; /* besides each replica's other call */
    struct replica_head_events head_events[REPLICAS];
    enum err head_start[REPLICAS]; /* what the next ones say */
    struct journal_claim *claim;
    uint32_t claimed_targets;
    struct journal_write *record;
    unsigned records;
    bool configured;  /* the bucket is */
    const char *etag; /* of what is shown; NULL: MD5_ONE */
    struct replica_call bucket;
    struct replica_bucket_events bucket_events;
    uint32_t tag_count; /* of what is shown */
    struct replica_call tags;
    unsigned tags_slot;
    struct replica_tags_events tags_events;
};

static struct bench *b;

static void ask_claim(struct journal *j, struct journal_claim *r)
{
    assert_null(b->claim);
    b->claim = r;
    b->claimed_targets = r->targets;
}

static void ask_write(struct journal *j, struct journal_write *r)
{
    assert_null(b->record);
    b->record = r;
    b->records++;
}

static bool bucket_by_id(struct journal *j, uint32_t id, struct bucket *out)
{
    *out = (struct bucket){.id = id, .name = "media", .configured = b->configured};
    return true;
}

static unsigned slot_of(const struct replica *r)
{
    return (unsigned)(LIST_ENTRY(r, struct stage_replica, base) - b->s.replicas);
}

static enum err ask_head(struct replica *r, struct replica_call **out, struct span key,
                         const struct replica_head_events *events, void *ctx)
{
    struct replica_call *c = &b->heads[slot_of(r)];

    assert_false(c->under_way);
    if (b->head_start[slot_of(r)])
        return b->head_start[slot_of(r)];
    *c = (struct replica_call){.under_way = true, .ctx = ctx};
    b->head_events[slot_of(r)] = *events;
    *out = c;
    return ERR_OK;
}

static enum err ask_bucket(struct replica *r, struct replica_call **out, enum replica_bucket_op op,
                           const struct replica_bucket_events *events, void *ctx)
{
    assert_int_equal(op, REPLICA_BUCKET_CREATE);
    assert_int_equal(slot_of(r), TARGET);
    b->bucket = (struct replica_call){.under_way = true, .ctx = ctx};
    b->bucket_events = *events;
    *out = &b->bucket;
    return ERR_OK;
}

static enum err ask_tags(struct replica *r, struct replica_call **out, struct span key,
                         const struct replica_tags_events *events, void *ctx)
{
    assert_false(b->tags.under_way);
    b->tags = (struct replica_call){.under_way = true, .ctx = ctx};
    b->tags_slot = slot_of(r);
    b->tags_events = *events;
    *out = &b->tags;
    return ERR_OK;
}

static enum replica_result abandon(struct replica_call *c)
{
    if (c < b->heads || c >= b->heads + REPLICAS)
        if (c != &b->bucket && c != &b->tags)
            return stage_abandon(c);
    assert_true(c->under_way);
    c->under_way = false;
    return REPLICA_MISSED;
}

static const struct journal_ops journal_ops = {.read = stage_read,
                                               .write = ask_write,
                                               .claim = ask_claim,
                                               .maybe = stage_maybe,
                                               .manifest_drop = stage_manifest_drop,
                                               .lease_valid = stage_lease,
                                               .bucket_by_id = bucket_by_id};
static const struct replica_ops replica_ops = {.put = stage_put,
                                               .put_more = stage_put_more,
                                               .put_open = stage_put_open,
                                               .del = stage_del,
                                               .head = ask_head,
                                               .get = stage_get,
                                               .get_read = stage_get_read,
                                               .tags = ask_tags,
                                               .bucket = ask_bucket,
                                               .abandon = abandon};

static void on_job_done(void *ctx, struct job *j)
{
    assert_ptr_equal(j, b->job);
    b->jobs_done++;
}

static void start(struct bench *bench)
{
    memset(bench, 0, sizeof(*bench));
    b = bench;
    stage_init(&b->s, 8);
    b->s.journal.base.ops = &journal_ops;
    for (unsigned i = 0; i < REPLICAS; i++)
        b->s.replicas[i].base.ops = &replica_ops;
    b->job = job_start(&b->s.env, (struct journal_key){1, SPAN("the/key")}, &b->s.set, &b->counters,
                       on_job_done, NULL);
    assert_non_null(b->job);
}

/* It is over, with nothing left under way. */
static void assert_over(enum job_result result)
{
    turn(&b->s);
    assert_int_equal(b->jobs_done, 1);
    assert_int_equal(b->job->result, result);
    for (unsigned i = 0; i < REPLICAS; i++)
        assert_false(b->heads[i].under_way);
    assert_false(b->bucket.under_way);
    assert_false(b->tags.under_way);
    assert_null(b->claim);
    assert_null(b->record);
    job_free(b->job);
    stage_fini(&b->s);
}

static const struct row missed_by_b = {
    .stamp = {{1}}, .version = 1, .kind = ROW_PUT, .phase = ROW_FINAL, .stored = A | C};
static const struct row deleted_without_b = {
    .stamp = {{1}}, .version = 1, .kind = ROW_DELETE, .phase = ROW_FINAL, .stored = A | C};

static void show(unsigned slot, char content)
{
    struct replica_object o = {.exists = content != '-',
                               .stamped = true,
                               .stamp = {{(uint8_t)(content - 'x' + 1)}},
                               .body_bytes = BODY_BYTES,
                               .tag_count = b->tag_count,
                               .etag = MD5_ONE};

    if (b->etag)
        snprintf(o.etag, sizeof(o.etag), "%s", b->etag);
    assert_true(b->heads[slot].under_way);
    b->heads[slot].under_way = false;
    b->head_events[slot].done(b->heads[slot].ctx, ERR_OK, o.exists ? 200 : 404, &o);
}

static void show_all(const char *contents)
{
    for (unsigned i = 0; i < REPLICAS; i++)
        show(i, contents[i]);
}

/* The source shows these fields besides, and sends this. */
static void source_answers(const struct http_header *more, size_t more_count, const char *etag,
                           struct span bytes)
{
    struct http_head head = {.status = 200,
                             .has_length = true,
                             .length = BODY_BYTES,
                             .header_count = 1 + more_count,
                             .headers = {{{"Content-Type", 12}, {"text/plain", 10}}}};
    struct replica_object o = {
        .exists = true, .stamped = true, .stamp = {{1}}, .body_bytes = BODY_BYTES, .etag = MD5_ONE};
    struct replica_call *get = call_of(&b->s, SOURCE);

    if (more_count)
        memcpy(head.headers + 1, more, more_count * sizeof(*more));
    snprintf(o.etag, sizeof(o.etag), "%s", etag);
    assert_int_equal(under_way(&b->s), A);
    assert_string_equal(get->if_match, etag);
    assert_true(get->checksum_mode);
    get->get_events.head(get->ctx, &head, &o);
    get->bytes = bytes;
    get->then = ERR_EOF;
    get->get_events.body(get->ctx);
    get->under_way = false;
    get->get_events.done(get->ctx, ERR_OK);
}

/* Steps 1 to 3, with that. */
static void source_sends(const struct http_header *more, size_t more_count, const char *etag,
                         struct span bytes)
{
    b->etag = etag;
    rows_read(&b->s, ERR_OK, &missed_by_b, 1);
    show_all("x-x");
    source_answers(more, more_count, etag, bytes);
}

/* Steps 1 to 3: the source's bytes are at the target, up to its barrier. */
static void copy_to_the_barrier(void)
{
    source_sends(NULL, 0, MD5_ONE, SPAN(BODY));
    assert_int_equal(under_way(&b->s), B);
    assert_int_equal(opened(&b->s), 0);
    assert_true(stamp_eq(&call_of(&b->s, TARGET)->put.stamp, &missed_by_b.stamp));
    assert_int_equal(call_of(&b->s, TARGET)->put.header_count, 1);
}

static void claimed(enum err e)
{
    struct journal_claim *r = b->claim;

    assert_non_null(r);
    b->claim = NULL;
    r->id = CLAIM_ID;
    r->request.done(&r->request, e);
}

/* Steps 4 and 5: the barrier is open. */
static void copy_past_the_barrier(void)
{
    copy_to_the_barrier();
    assert_int_equal(b->claim->targets, B);
    claimed(ERR_OK);
    rows_read(&b->s, ERR_OK, &missed_by_b, 1);
    assert_int_equal(opened(&b->s), 0);
    show_all("x-x");
    assert_int_equal(opened(&b->s), B);
}

static void recorded(enum err e)
{
    struct journal_write *r = b->record;

    assert_non_null(r);
    b->record = NULL;
    r->request.done(&r->request, e);
}

static void released(void)
{
    assert_non_null(b->record);
    assert_int_equal(b->record->release, CLAIM_ID);
    assert_false(b->record->change);
    assert_int_equal(b->record->remove_count, 0);
    recorded(ERR_OK);
}

static void answer_target(enum replica_result result, enum err e, unsigned status, const char *etag,
                          const char *code)
{
    struct replica_answer a = {.result = result, .error = e, .status = status};

    snprintf(a.etag, sizeof(a.etag), "%s", etag);
    snprintf(a.code, sizeof(a.code), "%s", code);
    answer(&b->s, TARGET, &a);
}

static void a_copy_is_stored_under_a_claim_and_its_row_removed_with_it(void **state)
{
    struct bench bench;

    start(&bench);
    copy_past_the_barrier();
    assert_int_equal(b->records, 0); /* nothing is recorded before it is true */
    answer_target(REPLICA_STORED, ERR_OK, 200, MD5_ONE, "");
    assert_int_equal(b->record->release, CLAIM_ID);
    assert_false(b->record->change);
    assert_int_equal(b->record->remove_count, 1);
    assert_true(stamp_eq(b->record->remove, &missed_by_b.stamp));
    recorded(ERR_OK);
    assert_int_equal(b->counters.copied, 1);
    assert_over(JOB_CLEAN);
}

#define ETAG_OF_TWO "\"900150983cd24fb0d6963f7d28e17f72-2\""

/* The source is asked for a part, and says that it has this size and that there are so many; "": it does not say. */
static void tell_part(uint32_t number, uint64_t bytes, const char *count)
{
    struct replica_call *get = call_of(&b->s, SOURCE);
    struct http_head head = {.status = 206,
                             .has_length = true,
                             .length = bytes,
                             .header_count = count[0] ? 1 : 0,
                             .headers = {{{"x-amz-mp-parts-count", 20}, span_of(count)}}};
    struct replica_object o = {
        .exists = true, .stamped = true, .stamp = {{1}}, .body_bytes = BODY_BYTES, .etag = ETAG_OF_TWO};

    assert_int_equal(under_way(&b->s), A);
    assert_true(get->head_only);
    assert_int_equal(get->part_number, number);
    get->get_events.head(get->ctx, &head, &o);
    get->under_way = false;
    get->get_events.done(get->ctx, ERR_OK);
}

/* Up to the source's answers about its parts. */
static void start_in_parts(struct bench *bench, struct capabilities *can)
{
    start(bench);
    for (unsigned i = 0; i < REPLICAS; i++)
        b->s.replicas[i].base.can = can;
    b->etag = ETAG_OF_TWO;
    rows_read(&b->s, ERR_OK, &missed_by_b, 1);
    show_all("x-x");
}

static void manifests_but_the_winners_go_with_the_rows(void **state)
{
    for (int manifest = 0; manifest < 2; manifest++) {
        struct bench bench;

        start(&bench);
        b->s.journal.manifest = manifest;
        copy_past_the_barrier();
        answer_target(REPLICA_STORED, ERR_OK, 200, MD5_ONE, "");
        assert_int_equal(b->s.journal.manifest_drops, 0);
        recorded(ERR_OK);
        assert_int_equal(b->s.journal.manifest_drops, manifest);
        if (manifest) {
            assert_int_equal(b->s.journal.dropped_before, missed_by_b.version + 1);
            assert_true(stamp_eq(&b->s.journal.kept, &call_of(&b->s, TARGET)->put.stamp));
        }
        assert_over(JOB_CLEAN);
    }
}

static void a_copy_of_an_object_in_parts_is_cut_as_its_source_says(void **state)
{
    static const struct {
        const char *what;
        uint64_t sizes[2];
        const char *counts[2];
        bool cut;
    } rows[] = {
        {"all is told", {7, BODY_BYTES - 7}, {"2", "2"}, true},
        {"how many is not told", {7, 0}, {"", ""}, false},
        {"another number of parts", {7, 0}, {"3", ""}, false},
        {"an empty part", {BODY_BYTES, 0}, {"2", "2"}, false},
        {"parts that do not make up the object", {7, 7}, {"2", "2"}, false},
        {"one too small for the target", {1, BODY_BYTES - 1}, {"2", "2"}, false},
    };
    struct capabilities can = {.etag_kind = S3_ETAG_MD5, .max_parts = 10000, .min_part = 5};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct replica_put *put;
        struct bench bench;

        start_in_parts(&bench, &can);
        tell_part(1, rows[i].sizes[0], rows[i].counts[0]);
        if (rows[i].counts[1][0])
            tell_part(2, rows[i].sizes[1], rows[i].counts[1]);
        source_answers(NULL, 0, ETAG_OF_TWO, SPAN(BODY));
        put = &call_of(&b->s, TARGET)->put;
        if ((put->cuts != NULL) != rows[i].cut)
            fail_msg("%s", rows[i].what);
        assert_int_equal(put->cut_count, rows[i].cut ? 2 : 0);
        if (rows[i].cut)
            assert_memory_equal(put->cuts, rows[i].sizes, sizeof(rows[i].sizes));
        claimed(ERR_EXISTS);
        assert_over(JOB_LATER);
    }
}

static void a_copy_is_made_in_one_piece_where_etags_do_not_show_parts(void **state)
{
    struct capabilities kinds[] = {{.etag_kind = S3_ETAG_SINGLE, .max_parts = 10000},
                                   {.etag_kind = S3_ETAG_MD5, .max_parts = 1}};

    for (size_t i = 0; i < 2; i++) {
        struct bench bench;

        start_in_parts(&bench, &kinds[i]);
        assert_false(call_of(&b->s, SOURCE)->head_only);
        source_answers(NULL, 0, ETAG_OF_TWO, SPAN(BODY));
        assert_null(call_of(&b->s, TARGET)->put.cuts);
        claimed(ERR_EXISTS);
        assert_over(JOB_LATER);
    }
}

static void a_source_that_does_not_tell_its_parts_in_time_is_copied_in_one_piece(void **state)
{
    struct capabilities can = {.etag_kind = S3_ETAG_MD5, .max_parts = 10000};
    struct bench bench;

    start_in_parts(&bench, &can);
    assert_true(call_of(&b->s, SOURCE)->head_only);
    pass(&b->s, FIRST_BYTE_MS + 1);
    assert_false(call_of(&b->s, SOURCE)->head_only);
    source_answers(NULL, 0, ETAG_OF_TWO, SPAN(BODY));
    assert_null(call_of(&b->s, TARGET)->put.cuts);
    claimed(ERR_EXISTS);
    assert_over(JOB_LATER);
}

static void a_copy_in_parts_must_show_the_same_etag(void **state)
{
    struct capabilities can = {.etag_kind = S3_ETAG_MD5, .max_parts = 10000};

    for (int same = 0; same < 2; same++) {
        struct bench bench;

        start_in_parts(&bench, &can);
        tell_part(1, 7, "2");
        tell_part(2, BODY_BYTES - 7, "2");
        source_answers(NULL, 0, ETAG_OF_TWO, SPAN(BODY));
        claimed(ERR_OK);
        rows_read(&b->s, ERR_OK, &missed_by_b, 1);
        show_all("x-x");
        assert_int_equal(opened(&b->s), B);
        answer_target(REPLICA_STORED, ERR_OK, 200, same ? ETAG_OF_TWO : "\"00-2\"", "");
        if (same)
            recorded(ERR_OK);
        else
            released();
        assert_over(same ? JOB_CLEAN : JOB_FAILED);
    }
}

static void the_sources_checksum_goes_with_the_copy(void **state)
{
    static const struct {
        const char *name, *value, *type, *etag;
        enum s3_checksum kept;
    } rows[] = {
        {"x-amz-checksum-crc32", CRC32_OF_BODY, "FULL_OBJECT", MD5_ONE, S3_CHECKSUM_CRC32},
        {"X-Amz-Checksum-Crc32", CRC32_OF_BODY, NULL, MD5_ONE, S3_CHECKSUM_CRC32},
        {"x-amz-checksum-sha256", SHA256_OF_BODY, NULL, MD5_ONE, S3_CHECKSUM_SHA256},
        {"x-amz-checksum-sha256", SHA256_OF_BODY, "FULL_OBJECT", "\"0123-2\"", S3_CHECKSUM_SHA256},
        {"x-amz-checksum-crc32", "AAAAAA==", "COMPOSITE", "\"0123-2\"", S3_CHECKSUM_NONE},
        {"x-amz-checksum-crc32", "AAAAAA==", NULL, "\"0123-2\"", S3_CHECKSUM_NONE},
        {"x-amz-checksum-crc32", "AAAAAA==-2", "FULL_OBJECT", MD5_ONE, S3_CHECKSUM_NONE},
        {"x-amz-checksum-md5", "AAAAAA==", "FULL_OBJECT", MD5_ONE, S3_CHECKSUM_NONE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_header more[2] = {
            {span_of(rows[i].name), span_of(rows[i].value)},
            {SPAN("x-amz-checksum-type"), span_of(rows[i].type ? rows[i].type : "")}};
        const struct replica_put *put;
        struct bench bench;
        char text[64] = "";

        start(&bench);
        source_sends(more, rows[i].type ? 2 : 1, rows[i].etag, SPAN(BODY));
        assert_int_equal(under_way(&b->s), B);
        put = &call_of(&b->s, TARGET)->put;
        assert_int_equal(put->checksum, rows[i].kept);
        if (rows[i].kept) {
            assert_true(put->checksum_known);
            base64_encode(put->checksum_value, s3_checksum_kind(rows[i].kept)->bytes, text);
            assert_string_equal(text, rows[i].value);
        }
        claimed(ERR_EXISTS);
        assert_over(JOB_LATER);
    }
}

static void bytes_that_do_not_have_their_checksum_are_not_copied(void **state)
{
    static const struct http_header more = {SPAN("x-amz-checksum-crc32"), SPAN(CRC32_OF_BODY)};
    struct bench bench;

    start(&bench);
    source_sends(&more, 1, MD5_ONE, SPAN("the contenT"));
    assert_int_equal(opened(&b->s), 0);
    assert_non_null(strstr(b->job->reason, "checksum"));
    assert_over(JOB_FAILED);
}

static void tags_answered(enum err e, const char *tags)
{
    assert_true(b->tags.under_way);
    b->tags.under_way = false;
    b->tags_events.done(b->tags.ctx, e, e == ERR_OK ? 200 : 501, span_of(tags));
}

/* An object with two tags is to be copied; the source is asked for them first. */
static void begin_with_tags(struct bench *bench)
{
    start(bench);
    b->tag_count = 2;
    rows_read(&b->s, ERR_OK, &missed_by_b, 1);
    show_all("x-x");
    assert_true(b->tags.under_way);
    assert_int_equal(b->tags_slot, SOURCE);
    assert_int_equal(under_way(&b->s), 0);
}

static void tags_go_with_the_copy_from_whoever_tells_them(void **state)
{
    for (int refuses = 0; refuses < 3; refuses++) { /* not; by its answer; by its silence */
        struct http_head head = {.status = 200, .has_length = true, .length = BODY_BYTES};
        struct replica_object o = {
            .exists = true, .stamped = true, .stamp = {{1}}, .body_bytes = BODY_BYTES, .etag = MD5_ONE};
        const struct http_header *sent;
        struct replica_call *get;
        struct bench bench;

        begin_with_tags(&bench);
        if (refuses == 1)
            tags_answered(ERR_PROTOCOL, "");
        if (refuses == 2)
            pass(&b->s, FIRST_BYTE_MS);
        assert_int_equal(b->tags_slot, refuses ? 2 : SOURCE);
        tags_answered(ERR_OK, "a=1&b=2");
        get = call_of(&b->s, SOURCE);
        assert_int_equal(under_way(&b->s), A);
        get->get_events.head(get->ctx, &head, &o);
        get->bytes = SPAN(BODY);
        get->then = ERR_EOF;
        get->get_events.body(get->ctx);
        get->under_way = false;
        get->get_events.done(get->ctx, ERR_OK);
        assert_int_equal(under_way(&b->s), B);
        assert_int_equal(call_of(&b->s, TARGET)->put.header_count, 2);
        sent = call_of(&b->s, TARGET)->put.headers;
        assert_true(span_is(sent[0].name, "x-amz-tagging"));
        assert_true(span_is(sent[0].value, "a=1&b=2"));
        assert_true(span_is(sent[1].name, "x-amz-meta-s3mirror-tags"));
        assert_true(span_is(sent[1].value, "2"));
        claimed(ERR_EXISTS);
        assert_over(JOB_LATER);
    }
}

static void without_its_tags_an_object_is_not_copied(void **state)
{
    struct bench bench;

    begin_with_tags(&bench);
    tags_answered(ERR_PROTOCOL, "");
    assert_int_equal(b->tags_slot, 2); /* B does not show the winner, and is not asked */
    tags_answered(ERR_UNAVAILABLE, "");
    assert_non_null(strstr(b->job->reason, "tags"));
    assert_int_equal(under_way(&b->s), 0);
    assert_over(JOB_FAILED);
}

static void a_missed_delete_is_sent_under_a_claim_without_a_copy(void **state)
{
    struct bench bench;

    start(&bench);
    rows_read(&b->s, ERR_OK, &deleted_without_b, 1);
    show_all("-w-");
    assert_int_equal(under_way(&b->s), 0);
    claimed(ERR_OK);
    assert_int_equal(b->claimed_targets, B);
    rows_read(&b->s, ERR_OK, &deleted_without_b, 1);
    show_all("-w-");
    assert_int_equal(call_of(&b->s, TARGET)->ask, ASK_DELETE);
    answer_target(REPLICA_STORED, ERR_OK, 204, "", "");
    recorded(ERR_OK);
    assert_int_equal(b->counters.deleted, 1);
    assert_over(JOB_CLEAN);
}

static void with_a_replica_away_the_rows_merge_and_the_rest_waits(void **state)
{
    struct row merged = missed_by_b, only_a = missed_by_b;
    struct bench bench;

    only_a.stored = A;
    start(&bench);
    health_stalled(&b->s.replicas[2].health);
    rows_read(&b->s, ERR_OK, &only_a, 1);
    show(0, 'x');
    show(1, 'x'); /* it has it after all */
    assert_int_equal(b->claim->targets, 0);
    claimed(ERR_OK);
    rows_read(&b->s, ERR_OK, &only_a, 1);
    show(0, 'x');
    show(1, 'x');
    assert_true(b->record->change);
    assert_true(b->record->add_stored);
    assert_int_equal(b->record->row.phase, ROW_MERGED);
    assert_int_equal(b->record->row.stored, A | B);
    assert_int_equal(b->record->row.unresolved, 0);
    assert_int_equal(b->record->remove_count, 0);
    recorded(ERR_OK);
    merged.phase = ROW_MERGED;
    merged.stored = A | B;
    rows_read(&b->s, ERR_OK, &merged, 1);
    assert_over(JOB_REST);
}

/* Step 5 and before: whatever has changed, nothing goes past the barrier and the claim is released. */
static void what_changed_meanwhile_stops_it_before_the_barrier(void **state)
{
    enum {
        CLAIM_REFUSED,
        ROW_GONE,
        ROW_NEW,
        ROW_FURTHER,
        ROWS_UNKNOWN,
        SOURCE_CHANGED,
        LEASE_OVER,
        LEASE_LOST,
        CHANGES
    };

    for (int change = 0; change < CHANGES; change++) {
        struct row rows[] = {missed_by_b, row_with(9, ROW_OPEN, 0, 0, 0)};
        struct bench bench;

        start(&bench);
        copy_to_the_barrier();
        if (change == CLAIM_REFUSED) {
            claimed(ERR_EXISTS);
            assert_int_equal(b->records, 0);
            assert_over(JOB_LATER);
            continue;
        }
        claimed(ERR_OK);
        rows[0].stored |= change == ROW_FURTHER ? B : 0;
        rows_read(&b->s, change == ROWS_UNKNOWN ? ERR_IO : ERR_OK, rows,
                  change == ROW_GONE  ? 0
                  : change == ROW_NEW ? 2
                                      : 1);
        if (change >= SOURCE_CHANGED) {
            if (change == LEASE_OVER) /* but for its margin */
                b->s.clock.now_ms += LEASE_MS - 500;
            b->s.journal.lease = change != LEASE_LOST;
            show_all(change == SOURCE_CHANGED ? "y-x" : "x-x");
        }
        assert_int_equal(opened(&b->s), 0);
        assert_int_equal(under_way(&b->s), 0);
        released();
        assert_over(JOB_LATER);
    }
}

static void an_unresolved_copy_leaves_its_claim_to_end_by_itself(void **state)
{
    for (int silence = 0; silence < 2; silence++) {
        struct bench bench;

        start(&bench);
        copy_past_the_barrier();
        if (silence)
            pass(&b->s, LEASE_MS);
        else
            answer_target(REPLICA_UNRESOLVED, ERR_RESET, 0, "", "");
        assert_int_equal(b->records, 0);
        assert_over(JOB_FAILED);
    }
}

static void a_copy_that_shows_another_etag_is_not_recorded_as_stored(void **state)
{
    struct bench bench;

    start(&bench);
    copy_past_the_barrier();
    answer_target(REPLICA_STORED, ERR_OK, 200, MD5_TWO, "");
    assert_int_equal(b->counters.copied, 0);
    released();
    assert_non_null(strstr(b->job->reason, "ETag"));
    assert_over(JOB_FAILED);
}

static void a_refused_copy_is_a_failure_that_says_why(void **state)
{
    struct bench bench;

    start(&bench);
    copy_past_the_barrier();
    answer_target(REPLICA_MISSED, ERR_OK, 403, "", "AccessDenied");
    released();
    assert_string_equal(b->job->reason, "PUT: status 403 AccessDenied");
    assert_int_equal(b->job->slot, TARGET);
    assert_string_equal(b->job->replica, "b");
    assert_over(JOB_FAILED);
}

static void a_refusal_of_the_key_itself_says_that_no_try_will_help(void **state)
{
    static const struct {
        enum replica_result result;
        unsigned status;
        const char *code;
        bool hopeless;
    } rows[] = {
        {REPLICA_MISSED, 409, "ObjectParentIsFile", true},
        {REPLICA_MISSED, 409, "OperationAborted", false},
        {REPLICA_MISSED, 403, "AccessDenied", false},
        {REPLICA_UNRESOLVED, 500, "ObjectParentIsFile", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bench bench;

        start(&bench);
        copy_past_the_barrier();
        answer_target(rows[i].result, ERR_OK, rows[i].status, "", rows[i].code);
        if (rows[i].result == REPLICA_MISSED)
            released();
        assert_int_equal(b->job->hopeless != NULL, rows[i].hopeless);
        assert_over(JOB_FAILED);
    }
}

static void a_row_that_was_superseded_meanwhile_releases_the_claim(void **state)
{
    struct row only_a = missed_by_b;
    struct bench bench;

    only_a.stored = A;
    start(&bench);
    health_stalled(&b->s.replicas[2].health);
    rows_read(&b->s, ERR_OK, &only_a, 1);
    show(0, 'x');
    show(1, 'x');
    claimed(ERR_OK);
    rows_read(&b->s, ERR_OK, &only_a, 1);
    show(0, 'x');
    show(1, 'x');
    recorded(ERR_NOT_FOUND); /* the merge, and with it the release */
    released();
    assert_over(JOB_LATER);
}

static void an_unknown_record_is_a_failure_and_the_claim_is_left_alone(void **state)
{
    struct bench bench;

    start(&bench);
    copy_past_the_barrier();
    answer_target(REPLICA_STORED, ERR_OK, 200, MD5_ONE, "");
    recorded(ERR_IO);
    assert_int_equal(b->records, 1);
    assert_over(JOB_FAILED);
}

/* Steps 4 and 5 up to the answer of B that is to come. */
static void go_on_without_an_answer(int when)
{
    copy_to_the_barrier();
    if (when == AT_THE_CLAIM)
        return;
    claimed(ERR_OK);
    if (when == AT_THE_SECOND_ROWS)
        return;
    rows_read(&b->s, ERR_OK, &missed_by_b, 1);
    show(0, 'x');
    if (when == AT_THE_SECOND_HEADS)
        return;
    show(1, '-');
    show(2, 'x');
    assert_int_equal(opened(&b->s), B);
}

static void journal_gives_the_job_back(int when)
{
    if (when == AT_THE_CLAIM)
        claimed(ERR_OK);
    else if (when == AT_THE_SECOND_ROWS)
        rows_read(&b->s, ERR_OK, &missed_by_b, 1);
}

static void bucket_answered(enum replica_result result, unsigned status, const char *code)
{
    struct replica_answer a = {.result = result, .status = status};

    snprintf(a.code, sizeof(a.code), "%s", code);
    assert_true(b->bucket.under_way);
    b->bucket.under_way = false;
    b->bucket_events.done(b->bucket.ctx, &a);
}

/* The target's bucket may be found missing at any time from the first byte on. While the journal has the job, it hears
 * of it afterwards. */
static void a_missing_bucket_is_created_and_the_repair_comes_again(void **state)
{
    for (int when = 0; when < TIMES; when++)
        for (int configured = 0; configured < 2; configured++) {
            struct bench bench;

            start(&bench);
            b->configured = configured;
            go_on_without_an_answer(when);
            answer_target(REPLICA_MISSED, ERR_OK, 404, "", "NoSuchBucket");
            journal_gives_the_job_back(when);
            for (unsigned i = 0; i < REPLICAS; i++)
                assert_false(b->heads[i].under_way);
            if (!configured)
                bucket_answered(REPLICA_STORED, 200, "");
            released();
            assert_over(configured ? JOB_FAILED : JOB_LATER);
        }
}

static void a_missing_bucket_is_created_without_a_claim_as_well(void **state)
{
    struct bench bench;

    start(&bench);
    copy_to_the_barrier();
    answer_target(REPLICA_MISSED, ERR_OK, 404, "", "NoSuchBucket");
    claimed(ERR_EXISTS);
    bucket_answered(REPLICA_STORED, 200, "");
    assert_int_equal(b->records, 0);
    assert_over(JOB_LATER);
}

static void a_bucket_that_cannot_be_created_is_a_failure(void **state)
{
    for (int silence = 0; silence < 2; silence++) {
        struct bench bench;

        start(&bench);
        copy_past_the_barrier();
        answer_target(REPLICA_MISSED, ERR_OK, 404, "", "NoSuchBucket");
        if (silence)
            pass(&b->s, STALL_MS);
        else
            bucket_answered(REPLICA_MISSED, 403, "AccessDenied");
        released();
        assert_non_null(strstr(b->job->reason, "creating the missing bucket: "));
        assert_true(silence || strstr(b->job->reason, "status 403 AccessDenied"));
        assert_over(JOB_FAILED);
    }
}

static void a_refusal_while_the_journal_has_the_job_is_heard_afterwards(void **state)
{
    for (int when = AT_THE_CLAIM; when <= AT_THE_SECOND_ROWS; when++) {
        struct bench bench;

        start(&bench);
        go_on_without_an_answer(when);
        answer_target(REPLICA_MISSED, ERR_OK, 403, "", "AccessDenied");
        journal_gives_the_job_back(when);
        released();
        assert_string_equal(b->job->reason, "PUT: status 403 AccessDenied");
        assert_int_equal(b->job->slot, TARGET);
        assert_string_equal(b->job->replica, "b");
        assert_over(JOB_FAILED);
    }
}

static void head_without_an_object(unsigned slot, enum err e, unsigned status)
{
    assert_true(b->heads[slot].under_way);
    b->heads[slot].under_way = false;
    b->head_events[slot].done(b->heads[slot].ctx, e, status, NULL);
}

static void a_head_without_an_answer_is_no_failure_of_the_key(void **state)
{
    static const struct {
        enum err error;
        unsigned status;
        enum job_result result;
    } answers[] = {
        {ERR_TIMEOUT, 0, JOB_AWAY},       {ERR_REFUSED, 0, JOB_AWAY}, {ERR_RESET, 0, JOB_AWAY},
        {ERR_UNAVAILABLE, 503, JOB_AWAY}, {ERR_DNS, 0, JOB_AWAY},
    };

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct bench bench;

        start(&bench);
        rows_read(&b->s, ERR_OK, &missed_by_b, 1);
        show(0, 'x');
        show(2, 'x');
        head_without_an_object(TARGET, answers[i].error, answers[i].status);
        assert_over(answers[i].result);
    }
}

static void a_head_that_is_refused_is_a_failure_that_says_where(void **state)
{
    struct bench bench;

    start(&bench);
    rows_read(&b->s, ERR_OK, &missed_by_b, 1);
    show(0, 'x');
    show(2, 'x');
    head_without_an_object(TARGET, ERR_UNAVAILABLE, 403);
    assert_int_equal(b->job->slot, TARGET);
    assert_string_equal(b->job->reason, "HEAD: status 403");
    assert_over(JOB_FAILED);
}

static void a_replica_that_says_nothing_is_away_until_its_breaker_closes(void **state)
{
    struct bench bench;

    start(&bench);
    rows_read(&b->s, ERR_OK, &missed_by_b, 1);
    show(0, 'x');
    show(2, 'x');
    pass(&b->s, FIRST_BYTE_MS - 1);
    assert_true(b->heads[TARGET].under_way);
    pass(&b->s, 1);
    assert_false(health_usable(&b->s.replicas[TARGET].health));
    assert_string_equal(b->job->reason, "");
    assert_over(JOB_AWAY);
}

static void replicas_that_cannot_even_be_asked_are_away(void **state)
{
    for (int all = 0; all < 2; all++) {
        struct bench bench;

        start(&bench);
        b->head_start[TARGET] = ERR_BUSY;
        if (all)
            b->head_start[0] = b->head_start[2] = ERR_BUSY;
        rows_read(&b->s, ERR_OK, &missed_by_b, 1);
        if (!all) {
            show(0, 'x');
            show(2, 'x');
        }
        assert_over(JOB_AWAY);
    }
}

static void the_others_go_on_without_a_replica_that_does_not_answer(void **state)
{
    struct row only_a = missed_by_b;
    struct bench bench;

    only_a.stored = A;
    start(&bench);
    rows_read(&b->s, ERR_OK, &only_a, 1);
    show(0, 'x');
    show(1, 'x');
    pass(&b->s, FIRST_BYTE_MS);
    claimed(ERR_OK);
    rows_read(&b->s, ERR_OK, &only_a, 1);
    assert_false(b->heads[2].under_way);
    show(0, 'x');
    show(1, 'x');
    assert_int_equal(b->record->row.stored, A | B);
    recorded(ERR_OK);
    only_a.phase = ROW_MERGED;
    only_a.stored = A | B;
    rows_read(&b->s, ERR_OK, &only_a, 1);
    assert_over(JOB_REST);
}

/* Under the claim: without the source's answer, or the target's, the barrier stays closed. */
static void a_second_head_without_an_answer_stops_it_before_the_barrier(void **state)
{
    for (unsigned mute = 0; mute < REPLICAS; mute++) {
        struct bench bench;

        start(&bench);
        copy_to_the_barrier();
        claimed(ERR_OK);
        rows_read(&b->s, ERR_OK, &missed_by_b, 1);
        for (unsigned i = 0; i < REPLICAS; i++)
            if (i != mute)
                show(i, "x-x"[i]);
        pass(&b->s, FIRST_BYTE_MS);
        if (mute != SOURCE && mute != TARGET) {
            assert_int_equal(opened(&b->s), B);
            answer_target(REPLICA_STORED, ERR_OK, 200, MD5_ONE, "");
            assert_int_equal(b->record->row.stored, A | B);
            recorded(ERR_OK);
            rows_read(&b->s, ERR_OK, NULL, 0);
            assert_over(JOB_CLEAN);
            continue;
        }
        assert_int_equal(opened(&b->s), 0);
        released();
        assert_over(JOB_AWAY);
    }
}

static void rows_that_are_not_settled_are_left_alone(void **state)
{
    static const struct {
        enum row_phase phase;
        uint32_t unresolved;
        uint64_t age_ms, wait_ms;
    } rows[] = {{ROW_OPEN, 0, 0, AMBIGUITY_MS},
                {ROW_OUTCOME, B, 0, AMBIGUITY_MS},
                {ROW_FINAL, B, 4000, AMBIGUITY_MS - 4000}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct row both[] = {missed_by_b, row_with(2, rows[i].phase, 0, rows[i].unresolved, rows[i].age_ms)};
        struct bench bench;

        start(&bench);
        rows_read(&b->s, ERR_OK, both, 2);
        assert_int_equal(b->job->wait_ms, rows[i].wait_ms);
        assert_over(JOB_LATER);
    }
}

static void another_repairs_claim_is_waited_for(void **state)
{
    const struct claim claim = {.id = 3, .targets = B, .lease_ms = LEASE_MS, .age_ms = 1000};
    struct bench bench;

    start(&bench);
    rows_read_under_claim(&b->s, ERR_OK, &missed_by_b, 1, &claim);
    assert_int_equal(b->job->wait_ms, LEASE_MS + AMBIGUITY_MS - 1000);
    assert_over(JOB_LATER);
}

static void a_key_without_rows_is_clean(void **state)
{
    struct bench bench;

    start(&bench);
    rows_read(&b->s, ERR_OK, NULL, 0);
    assert_over(JOB_CLEAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_stored_under_a_claim_and_its_row_removed_with_it),
        cmocka_unit_test(manifests_but_the_winners_go_with_the_rows),
        cmocka_unit_test(a_copy_of_an_object_in_parts_is_cut_as_its_source_says),
        cmocka_unit_test(a_copy_is_made_in_one_piece_where_etags_do_not_show_parts),
        cmocka_unit_test(a_source_that_does_not_tell_its_parts_in_time_is_copied_in_one_piece),
        cmocka_unit_test(a_copy_in_parts_must_show_the_same_etag),
        cmocka_unit_test(the_sources_checksum_goes_with_the_copy),
        cmocka_unit_test(bytes_that_do_not_have_their_checksum_are_not_copied),
        cmocka_unit_test(tags_go_with_the_copy_from_whoever_tells_them),
        cmocka_unit_test(without_its_tags_an_object_is_not_copied),
        cmocka_unit_test(a_missed_delete_is_sent_under_a_claim_without_a_copy),
        cmocka_unit_test(with_a_replica_away_the_rows_merge_and_the_rest_waits),
        cmocka_unit_test(what_changed_meanwhile_stops_it_before_the_barrier),
        cmocka_unit_test(an_unresolved_copy_leaves_its_claim_to_end_by_itself),
        cmocka_unit_test(a_copy_that_shows_another_etag_is_not_recorded_as_stored),
        cmocka_unit_test(a_refused_copy_is_a_failure_that_says_why),
        cmocka_unit_test(a_refusal_of_the_key_itself_says_that_no_try_will_help),
        cmocka_unit_test(a_row_that_was_superseded_meanwhile_releases_the_claim),
        cmocka_unit_test(an_unknown_record_is_a_failure_and_the_claim_is_left_alone),
        cmocka_unit_test(a_missing_bucket_is_created_and_the_repair_comes_again),
        cmocka_unit_test(a_missing_bucket_is_created_without_a_claim_as_well),
        cmocka_unit_test(a_bucket_that_cannot_be_created_is_a_failure),
        cmocka_unit_test(a_refusal_while_the_journal_has_the_job_is_heard_afterwards),
        cmocka_unit_test(a_head_without_an_answer_is_no_failure_of_the_key),
        cmocka_unit_test(a_head_that_is_refused_is_a_failure_that_says_where),
        cmocka_unit_test(a_replica_that_says_nothing_is_away_until_its_breaker_closes),
        cmocka_unit_test(replicas_that_cannot_even_be_asked_are_away),
        cmocka_unit_test(the_others_go_on_without_a_replica_that_does_not_answer),
        cmocka_unit_test(a_second_head_without_an_answer_stops_it_before_the_barrier),
        cmocka_unit_test(rows_that_are_not_settled_are_left_alone),
        cmocka_unit_test(another_repairs_claim_is_waited_for),
        cmocka_unit_test(a_key_without_rows_is_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
